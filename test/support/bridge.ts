/**
 * A bridge beside the head of a test's Ray cluster, started as a user does.
 *
 * Owns: the process, in the nodes' network namespace; it ends with `stop` or with the nodes.
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { RayNodes } from "./ray-nodes.ts";
import { REPOSITORY } from "./sandbox.ts";

export const BRIDGE_TOKEN = "a-token-for-tests";

export interface RunningBridge {
  /** `bridge://HOST:PORT` */
  readonly url: string;
  readonly pid: number;
  stop(signal: NodeJS.Signals): Promise<void>;
}

/** `flags`: of server.py, for TLS. `setting`: a line of Python that changes the module `server`. */
export async function startBridge(
  nodes: RayNodes,
  port = 0,
  flags: readonly string[] = [],
  setting = "",
): Promise<RunningBridge> {
  const folder = `${REPOSITORY}/cluster/bridge`;
  const script = `import sys; sys.path.insert(0, "${folder}"); import server; ${setting}; server.main()`;
  const program = setting === "" ? [`${folder}/server.py`] : ["-c", script];
  const child = nodes.spawn(
    nodes.python,
    [
      ...["-u", ...program, "--with-parent"],
      ...["--listen", `${nodes.headAddress}:${port}`, "--address", `${nodes.headAddress}:6379`],
      ...flags,
    ],
    { RAYSIDUE_TOKEN: BRIDGE_TOKEN, PYTHONDONTWRITEBYTECODE: "1" },
  );
  child.stdin!.on("error", () => {});
  const exited = once(child, "exit");
  const line = once(createInterface({ input: child.stdout! }), "line");
  const failed = exited.then(([code]) => {
    throw new Error(`the bridge ended with ${code}; see spawned.log in ${nodes.folder}`);
  });
  failed.catch(() => {});
  const [url] = (await Promise.race([line, failed])) as [string];
  return {
    url,
    pid: child.pid!,
    stop: async (signal) => {
      // `ip netns exec` becomes the program it starts: one process.
      child.kill(signal);
      await exited;
    },
  };
}
