import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { EngineRegistry, parseEngine, wordsOf } from "./engine-registry.ts";

test("a command is parted as a shell would, and nothing in it is expanded", () => {
  assert.deepEqual(wordsOf("python3  -u  engine.py"), ["python3", "-u", "engine.py"]);
  assert.deepEqual(wordsOf(`a "b c" 'd "e"' f\\ g --x="1 2"`), [
    "a",
    "b c",
    'd "e"',
    "f g",
    "--x=1 2",
  ]);
  assert.deepEqual(wordsOf(`"" $HOME *`), ["", "$HOME", "*"]);
  assert.throws(() => wordsOf(`a "b`), { code: "usage", message: /quote is left open/ });
});

test("an engine is a name and a command, or a folder with an engine.py", async () => {
  const folder = await mkdtemp(join(tmpdir(), "registry-test-"));
  try {
    await mkdir(join(folder, "my engine"));
    await writeFile(join(folder, "my engine", "engine.py"), "");
    assert.deepEqual(parseEngine(`mine=${folder}/my engine`).source, {
      type: "python",
      folder: join(folder, "my engine"),
    });
    assert.deepEqual(parseEngine(`mine=${folder} x=1`).source, {
      type: "command",
      command: [folder, "x=1"],
    });
    for (const text of ["", "mine", "=x", "mine=", "My=x", "../x=y", "a b=c"]) {
      assert.throws(() => parseEngine(text), { code: "usage" }, text);
    }
    for (const name of ["onnx", "score", "emulate", "annotate"]) {
      assert.throws(() => parseEngine(`${name}=x`), { code: "usage", message: /has an engine/ });
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("names choose among configured engines and are never commands", async () => {
  const registry = new EngineRegistry([parseEngine("mine=/bin/echo hello")]);
  assert.deepEqual(await registry.launch("onnx"), {});
  const { command, environment } = await registry.launch("mine");
  assert.deepEqual(command, ["/bin/echo", "hello"]);
  assert.match(environment!.PYTHONPATH!, /cluster\/engines/);
  await assert.rejects(registry.launch("/bin/echo"), {
    code: "unavailable",
    message: /no engine "\/bin\/echo" on this worker/,
  });
  await assert.rejects(registry.launch("__proto__"), { code: "unavailable" });
});
