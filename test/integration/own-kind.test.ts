/**
 * The example of a kind of one's own, as its README tells it.
 *
 * Proves: an engine that raysidue does not know computes a kind that raysidue does not know, named
 * by a worker's configuration only; results are known by parameters and version; an item that fails
 * is listed. Skips aloud where the example's Python environment cannot be made.
 */
import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { readFailed, readIndex } from "../support/outputs.ts";
import {
  ENGINE_ENVIRONMENT,
  type PreparedEngine,
  prepareEngine,
} from "../support/python-engines.ts";
import { REPOSITORY, Sandbox } from "../support/sandbox.ts";

const EXAMPLE = join(REPOSITORY, "examples", "own-kind");
const ANTIBODIES = join(REPOSITORY, "examples", "antibodies.fasta");
const environment = ENGINE_ENVIRONMENT;

interface Line {
  readonly row: number;
  readonly id: string;
  readonly length: number;
  readonly result: { readonly charge: number; readonly hydropathy: number };
}

describe("a kind of one's own", () => {
  let sandbox: Sandbox;
  let engine: PreparedEngine;
  before(async () => {
    sandbox = new Sandbox();
    engine = await prepareEngine("examples", "own-kind");
  });
  after(() => sandbox[Symbol.asyncDispose]());

  /** The environment's Python; undefined, and the test skipped, where there is none. */
  const pythonOr = (context: TestContext) => {
    if (engine.missing === undefined) return engine.python;
    context.skip(`no engine: ${engine.missing}`);
    return undefined;
  };
  const linesOf = (folder: string) =>
    sandbox
      .read(folder, "results.ndjson")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);

  test("on this machine: one line a record, whatever fails is listed", async (context) => {
    if (pythonOr(context) === undefined) return;
    // Hand-made: K and the start carry 1/(1+10^(7.4-pK)), the end takes 1/(1+10^(3.55-7.4)).
    sandbox.write("few.fasta", ">k\nKKK\n>x\nXXX\n>g\nGG\n>k2\nKKK\n");
    const run = ["compute", "charge", "few.fasta", "-o", "few", "--engines", "1"];
    const own = ["--engine", `charge=${EXAMPLE}`];
    await sandbox.expect(2, [...run, ...own], { environment });
    const share = (exponent: number) => 1 / (1 + 10 ** exponent);
    const ends = share(7.4 - 7.5) - share(3.55 - 7.4);
    const lysines = Number((ends + 3 * share(7.4 - 10)).toFixed(3));
    assert.deepEqual(linesOf("few"), [
      { row: 0, id: "k", length: 3, result: { charge: lysines, hydropathy: -3.9 } },
      { row: 1, id: "g", length: 2, result: { charge: Number(ends.toFixed(3)), hydropathy: -0.4 } },
      { row: 2, id: "k2", length: 3, result: { charge: lysines, hydropathy: -3.9 } },
    ]);
    const [failed] = await readFailed(sandbox.path("few"));
    assert.deepEqual([failed?.id, failed?.reason], ["x", "no residue of the twenty"]);

    const acid = [...run.with(4, "acid"), ...own, "--parameters", '{"ph": 2}'];
    await sandbox.expect(2, acid, { environment });
    assert.ok(linesOf("acid")[0]!.result.charge > 3.9);
  });

  test("without the engine the embedded fleet, to which nobody comes, says so soon", async () => {
    const { stderr } = await sandbox.expect(69, ["compute", "charge", ANTIBODIES, "-o", "none"]);
    assert.match(stderr, /no engine "charge" on this worker/);
    assert.match(stderr, /waiting 2 s/);
  });

  test("on a fleet: the worker's file names the engine, the driver only its name", async (context) => {
    const python = pythonOr(context);
    if (python === undefined) return;
    mkdirSync(sandbox.path("node"));
    // Beside the folder that the example shows: any command will do.
    copyFileSync(join(EXAMPLE, "engine.py"), sandbox.path("node", "an engine.py"));
    const command = `'${python}' '${sandbox.path("node", "an engine.py")}'`;
    sandbox.write(
      "node/raysidue.toml",
      `[worker.start]\nengine = ["other=true", "charge=${command}"]\n`,
    );
    const { address } = await sandbox.startScheduler();
    await sandbox.startWorker(address, ["--engines", "2"], {
      cwd: sandbox.path("node"),
      environment,
    });
    const run = ["compute", "charge", ANTIBODIES, "-o", "fleet", "--address", address];
    const first = await sandbox.expect(0, run);
    assert.match(first.stderr, /66 computed, 0 cached/);
    const lines = linesOf("fleet");
    assert.deepEqual(
      lines.map(({ id }) => id),
      (await readIndex(sandbox.path("fleet"))).map(({ id }) => id),
    );
    assert.equal(lines.length, 72);
    const again = await sandbox.expect(0, run.with(4, "fleet2"));
    assert.match(again.stderr, /0 computed, 66 cached/);
    assert.deepEqual(
      readFileSync(sandbox.path("fleet2", "results.ndjson")),
      readFileSync(sandbox.path("fleet", "results.ndjson")),
    );

    const sent = [...run.with(4, "sent"), "--engine", "charge=touch owned"];
    const refused = await sandbox.expect(64, sent);
    assert.match(refused.stderr, /engines of a fleet are named where its workers start/);
    assert.equal(existsSync(sandbox.path("node", "owned")), false);
    await sandbox.expect(64, ["compute", "embed", ANTIBODIES, "-o", "y"]);
    await sandbox.expect(64, [...run, "--parameters", "[1]"]);
  });
});
