/**
 * A proxy on a test's head that speaks TLS for a port that does not: as stands before dashboards.
 *
 * Owns: the process, in the nodes' network namespace; it ends with `stop` or with the nodes.
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { RayNodes } from "./ray-nodes.ts";
import type { Sandbox } from "./sandbox.ts";

const PROGRAM = `
const [pem, key, host, to] = process.argv.slice(1);
const { createServer } = require("node:tls");
const { connect } = require("node:net");
const { readFileSync } = require("node:fs");
const options = { cert: readFileSync(pem), key: readFileSync(key) };
const server = createServer(options, (outer) => {
  const inner = connect(Number(to), host);
  outer.pipe(inner).pipe(outer);
  for (const socket of [outer, inner]) socket.on("error", () => { outer.destroy(); inner.destroy(); });
});
server.listen(0, host, () => console.log(server.address().port));
`;

/** `name`: of a certificate of `makeCertificate`. `to`: the head's port behind the proxy. */
export async function startTlsProxy(
  nodes: RayNodes,
  sandbox: Sandbox,
  { name, to }: { readonly name: string; readonly to: number },
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const pair = [sandbox.path(`${name}.pem`), sandbox.path(`${name}.key`)];
  const words = ["-e", PROGRAM, ...pair, nodes.headAddress, String(to)];
  const child = nodes.spawn(process.execPath, words);
  const [port] = (await once(createInterface({ input: child.stdout! }), "line")) as [string];
  const exited = once(child, "exit");
  return {
    url: `https://${nodes.headAddress}:${port}`,
    stop: async () => {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
