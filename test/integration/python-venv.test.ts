/**
 * Python environments of engines, made by a real pip.
 *
 * Proves: of two makers at once one is enough and both are served; what a killed maker left is
 * swept up; without packages, or with too old a Python, it is said what is missing and nothing is
 * left. Skips aloud where no index can be reached.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { RaysidueError } from "../../src/base/errors.ts";
import { ensureVenv } from "../../src/engine/host/python-venv.ts";

/** One small package without dependencies. */
const REQUIREMENTS = "typing_extensions==4.16.0\n";

/** The owner word of a process that has ended. */
async function wordOfDeadProcess(): Promise<string> {
  const owner = new URL("../../src/base/process-owner.js", import.meta.url).href;
  const script = `console.log((await import(${JSON.stringify(owner)})).makeOwnerWord())`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [[word]] = await Promise.all([once(child.stdout, "data"), once(child, "exit")]);
  return String(word).trim();
}

describe("python environments", () => {
  let folder: string;
  let requirements: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "venv-test-"));
    mkdirSync(join(folder, "my engine"));
    requirements = join(folder, "my engine", "requirements.txt");
    await writeFile(requirements, REQUIREMENTS);
  });
  after(() => rm(folder, { recursive: true }));

  const environmentWith = (more: Record<string, string> = {}) => ({
    ...process.env,
    RAYSIDUE_VENV_DIR: join(folder, "venvs"),
    ...more,
  });

  test("two makers at once make one, which holds what was asked for", async (context) => {
    const environment = environmentWith();
    const told: string[] = [];
    const make = () => ensureVenv(requirements, { environment, onMake: (text) => told.push(text) });
    let python: string;
    try {
      const made = await Promise.all([make(), make()]);
      python = made[0];
      assert.equal(made[1], python);
    } catch (thrown) {
      if (!(thrown instanceof RaysidueError) || thrown.code === "internal") throw thrown;
      context.skip(`no index: ${thrown.message}`);
      return;
    }
    assert.equal(told.length, 2);
    assert.match(told[0]!, /environment of engine my engine/);
    const root = join(folder, "venvs");
    assert.deepEqual(
      readdirSync(root).map((name) => join(root, name, "bin", "python")),
      [python],
    );
    const script = "import sys, typing_extensions; print(typing_extensions.__file__)";
    const child = spawn(python, ["-c", script], { stdio: ["ignore", "pipe", "inherit"] });
    const [where] = await once(child.stdout, "data");
    assert.ok(String(where).startsWith(root));
    assert.equal(await make(), python);
    assert.equal(told.length, 2);

    // What a maker that was killed leaves is swept up by the next one.
    const [name] = readdirSync(root);
    const left = join(root, `.${name}.${await wordOfDeadProcess()}`);
    mkdirSync(left);
    await rm(join(root, name!), { recursive: true });
    assert.equal(await make(), python);
    assert.deepEqual(readdirSync(root), [name]);
  });

  test("without packages it says so and leaves nothing", async () => {
    const root = join(folder, "offline");
    const environment = environmentWith({
      RAYSIDUE_VENV_DIR: root,
      PIP_CONFIG_FILE: "/dev/null",
      PIP_NO_INDEX: "1",
      PIP_FIND_LINKS: folder,
    });
    await assert.rejects(ensureVenv(requirements, { environment }), {
      code: "try-again",
      message:
        /No matching distribution found for typing_extensions.*fetched once; check the network/,
    });
    assert.deepEqual(readdirSync(root), []);
  });

  test("a Python that is too old, or none, is told before anything is made", async () => {
    const root = join(folder, "none");
    const environment = environmentWith({ RAYSIDUE_VENV_DIR: root });
    await writeFile(requirements, `# python >= 9.1\n${REQUIREMENTS}`);
    await assert.rejects(ensureVenv(requirements, { environment }), {
      code: "unavailable",
      message: /engine my engine needs Python 9\.1 or newer/,
    });
    const without = { ...environment, RAYSIDUE_PYTHON: join(folder, "no-python") };
    await assert.rejects(ensureVenv(requirements, { environment: without }), {
      code: "unavailable",
      message: /engine my engine needs Python with pip: .*no-python is not there/,
    });
    assert.equal(existsSync(root), false);
  });
});
