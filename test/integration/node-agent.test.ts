/**
 * The node agent in a plain Python, without Ray: what it does with files it should not touch or
 * cannot keep.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { REPOSITORY, Sandbox } from "../support/sandbox.ts";

const AGENT = join(REPOSITORY, "cluster", "bridge", "agent.py");
/** An agent that waits for a file it is never given. */
const START = `
import json, sys
scope = {"__name__": "agent"}
exec(open(${JSON.stringify(AGENT)}).read(), scope)
scope["_find_node"] = lambda: "/bin/true"
file = {"digest": "0" * 64, "kind": "package", "sizeBytes": 1 << 20, "entries": []}
agent = scope["NodeAgent"](json.dumps({"files": [file], "addresses": [], "arguments": []}))
`;

function runAgent(sandbox: Sandbox, script: string, through: readonly string[] = []) {
  const end = "\nagent.stop(0)\n";
  return sandbox.startProgram(["python3", "-c", START + script + end], { through }).ended;
}

test("a node without room says how much is needed, where, and what to do", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("mounting a small disk needs root");
  await using sandbox = new Sandbox();
  const small = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=4m none "$TMPDIR" && "$@"'];
  const script = 'print(agent.install(json.dumps(file), b"x" * 1000, False))';
  const { exit, stdout, stderr } = await runAgent(sandbox, script, [...small, "sh"]);
  assert.equal(exit, 0, stderr);
  assert.match(
    (JSON.parse(stdout) as { error: string }).error,
    /: 65 MiB are needed in \S+\/tmp\/\S+, 4 MiB are free; free some space there, or set .*TMPDIR/,
  );
  // The archive may have room where what it holds has none.
  const cache = [
    "unshare",
    "-m",
    "sh",
    "-c",
    'mount -t tmpfs -o size=4m none "$RAYSIDUE_CACHE_DIR" && "$@"',
  ];
  mkdirSync(sandbox.path("cache"));
  const second = await runAgent(sandbox, script, [...cache, "sh"]);
  assert.equal(second.exit, 0, second.stderr);
  assert.match(
    (JSON.parse(second.stdout) as { error: string }).error,
    /: 65 MiB are needed in \S+\/cache, 4 MiB are free; .*RAYSIDUE_CACHE_DIR/,
  );
});

test("only files of runs are read, in pieces", async () => {
  await using sandbox = new Sandbox();
  const folder = sandbox.path("cache", "runs", "r1");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "a.txt"), "0123456789");
  writeFileSync(sandbox.path("cache", "secret"), "no");
  const script = `
print(agent.read("r1/a.txt", 4))
print(agent.read("../secret", 0))
print(agent.read("/etc/passwd", 0))
print(agent.read("r1/none", 0))`;
  const { exit, stdout, stderr } = await runAgent(sandbox, script);
  assert.equal(exit, 0, stderr);
  const answers = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as object);
  assert.deepEqual(answers[0], { data: Buffer.from("456789").toString("base64"), sizeBytes: 10 });
  assert.match(String((answers[1] as { error: string }).error), /is no file of a run/);
  assert.match(String((answers[2] as { error: string }).error), /is no file of a run/);
  assert.match(String((answers[3] as { error: string }).error), /No such file/);
});
