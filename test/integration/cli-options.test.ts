/**
 * Where options come from, and the commands that only look.
 *
 * Proves: command line before environment before the project's file before the user's; what no
 * command knows is an error; every command has help; doctor says what it finds.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import { readReport } from "../support/outputs.ts";
import { until } from "../support/processes.ts";
import { type CommandOptions, Sandbox } from "../support/sandbox.ts";

const USER_FILE = "home/.config/raysidue/config.toml";

describe("options", () => {
  let sandbox: Sandbox;
  let address: string;
  let runs = 0;
  before(async () => {
    sandbox = new Sandbox();
    sandbox.write("a.fasta", fastaOf(randomSequences(5, { from: 5, to: 20, seed: 71 })));
    address = await sandbox.startFleet(["--emulate", "instant"]);
  });
  after(() => sandbox[Symbol.asyncDispose]());

  /** Embeds in a folder of its own, where `raysidue.toml` is `project`; returns the parameters. */
  const parametersOf = async (
    flags: readonly string[],
    settings: { project?: string; user?: string; environment?: Record<string, string> },
  ) => {
    const cwd = `case${runs++}`;
    sandbox.write(`${cwd}/raysidue.toml`, settings.project ?? "");
    sandbox.write(USER_FILE, settings.user ?? "");
    const options: CommandOptions = {
      cwd: sandbox.path(cwd),
      ...(settings.environment && { environment: settings.environment }),
    };
    const args = ["embed", "../a.fasta", "-o", "out", "-m", "emulate", ...flags];
    await sandbox.expect(0, [...args, "--address", address], options);
    const { parameters } = readReport(sandbox.path(cwd, "out"));
    return `${parameters.pools} ${parameters.dtype}`;
  };

  test("command line before environment before project before user", async () => {
    const user = 'pool = "max"\ndtype = "float16"\n';
    assert.equal(await parametersOf([], { user }), "max float16");
    const project = '[embed]\npool = "bos"\n';
    assert.equal(await parametersOf([], { user, project }), "bos float16");
    const environment = { RAYSIDUE_POOL: "mean,max" };
    assert.equal(await parametersOf([], { user, project, environment }), "mean,max float16");
    const flags = ["--pool", "bos,mean"];
    assert.equal(await parametersOf(flags, { user, project, environment }), "mean,bos float16");
  });

  test("the environment has a twin of every kind of option", async () => {
    const environment = {
      ...{ RAYSIDUE_OUTPUT: "twin", RAYSIDUE_MODEL: "emulate", RAYSIDUE_ADDRESS: address },
      ...{ RAYSIDUE_PER_RESIDUE: "1", RAYSIDUE_CACHE: "0", RAYSIDUE_DTYPE: "float16" },
      ...{ RAYSIDUE_ON_INVALID: "skip", RAYSIDUE_MAX_LENGTH: "18", RAYSIDUE_JSON: "yes" },
    };
    sandbox.write("long.fasta", ">short\nMKTAYIAK\n>long\nMKTAYIAKQRMKTAYIAKQRM\n");
    sandbox.write(USER_FILE, "");
    const { stdout } = await sandbox.expect(2, ["embed", "long.fasta"], { environment });
    assert.equal((JSON.parse(stdout) as { failed: number }).failed, 1);
    const { parameters } = readReport(sandbox.path("twin"));
    assert.deepEqual([parameters.perResidue, parameters.dtype], ["vector", "float16"]);
  });

  test("a list is replaced by the next source, and daemons do not read it twice", async () => {
    sandbox.write("listed/raysidue.toml", 'emulate = ["speed=2,cost=1ms", "instant", "speed=3"]\n');
    sandbox.write("listed/a.fasta", sandbox.read("a.fasta"));
    /** Engine processes, one a device, that an embedded run starts. */
    const devices = async (
      flags: readonly string[],
      options: { cwd?: string; environment?: Record<string, string> },
    ) => {
      const out = `devices${runs++}`;
      const args = ["embed", "a.fasta", "-o", out, "-m", "emulate", "--no-cache", ...flags];
      const command = sandbox.start(args, options);
      const others = sandbox.processes(/engine\/process/).length;
      let most = 0;
      await until("end of the run", () => {
        most = Math.max(most, sandbox.processes(/engine\/process/).length - others);
        return !command.isRunning;
      });
      assert.equal((await command.ended).exit, 0, command.stderr);
      return most;
    };
    const environment = { RAYSIDUE_EMULATE: "speed=2" };
    const cwd = sandbox.path("listed");
    assert.equal(await devices([], { cwd }), 3);
    assert.equal(await devices([], { cwd, environment }), 1);
    const two = ["--emulate", "speed=1", "--emulate", "speed=2"];
    assert.equal(await devices(two, { cwd, environment }), 2);
  });

  test("what is not understood is said with its place", async () => {
    const cases: [string, RegExp][] = [
      ['colour = "red"\n', /raysidue\.toml: no command has an option "colour"/],
      ['[embed]\nlisten = "here"\n', /raysidue\.toml: no command has an option "listen"/],
      ["max-length = 0\n", /raysidue\.toml: max-length: "0" is no --max-length: write a whole/],
      ['dtype = "float8"\n', /raysidue\.toml: dtype: "float8"/],
      ["pool = [\n", /raysidue\.toml:\d+: /],
    ];
    for (const [text, pattern] of cases) {
      sandbox.write("bad/raysidue.toml", text);
      const cwd = sandbox.path("bad");
      const args = ["embed", "../a.fasta", "-o", "out", "-m", "emulate"];
      assert.match((await sandbox.expect(64, args, { cwd })).stderr, pattern);
    }
    const environment = { RAYSIDUE_MAX_LENGTH: "many" };
    const args = ["embed", "a.fasta", "-o", "bad/out", "-m", "emulate"];
    const { stderr } = await sandbox.expect(64, args, { environment });
    assert.match(stderr, /RAYSIDUE_MAX_LENGTH: "many" is no --max-length/);
    // Another command's twin does not matter here.
    await sandbox.expect(0, ["cache", "list"], { environment });
  });
});

test("every command has help, and it names every flag's purpose", async () => {
  await using sandbox = new Sandbox();
  const { stdout: top } = await sandbox.expect(0, ["--help"]);
  for (const verb of ["embed", "model", "cache", "scheduler", "worker", "node", "doctor"]) {
    assert.match(top, new RegExp(`^  ${verb}\\b`, "m"));
  }
  const commands = [
    ...["embed", "model list", "model pull", "model verify", "cache list", "cache verify"],
    ...["cache prune", "scheduler start", "worker start", "node list", "doctor", "simulate"],
  ];
  const helps = await Promise.all(
    commands.map((words) => sandbox.expect(0, [...words.split(" "), "--help"])),
  );
  for (const [i, { stdout, stderr }] of helps.entries()) {
    assert.match(stdout, new RegExp(`^Usage: raysidue ${commands[i]}`));
    assert.equal(stderr, "");
  }
  const version = await sandbox.expect(0, ["--version"]);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
  assert.match((await sandbox.expect(64, ["embedd"])).stderr, /embed/);
  await sandbox.expect(64, ["model", "pull"]);
});

test("doctor looks at everything and says what to do", async () => {
  await using sandbox = new Sandbox();
  const { stdout } = await sandbox.expect(0, ["doctor"]);
  const subjects = ["node", "onnx runtime", "python", "memory", "result cache", "model cache"];
  for (const subject of [...subjects, "loopback", "clock"]) {
    assert.match(stdout, new RegExp(`^(OK|WARN|FAIL) +${subject} `, "m"));
  }
  const environment = { RAYSIDUE_PYTHON: "/no/python/here" };
  const json = await sandbox.expect(0, ["doctor", "--json"], { environment });
  const { findings } = JSON.parse(json.stdout) as {
    findings: { subject: string; verdict: string; advice: string }[];
  };
  const python = findings.find(({ subject }) => subject === "python");
  assert.equal(python?.verdict, "WARN");
  assert.match(python!.advice, /install Python/);
  // A file where the cache's folder should be.
  sandbox.write("taken", "");
  const failed = await sandbox.expect(69, ["doctor", "--cache-dir", sandbox.path("taken")]);
  assert.match(failed.stdout, /^FAIL +result cache +.*taken/m);
});
