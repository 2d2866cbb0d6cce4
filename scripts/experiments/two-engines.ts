/**
 * Two real CPU engines, one held to half a core, on real AntiBERTy work:
 * `node dist/scripts/experiments/two-engines.js [--chains 600] [--rounds 2] [--share 0.5]`.
 *
 * Chains are mutants of examples/antibodies.fasta: distinct, of real lengths. In turns: all of them on
 * one scheduler with both workers, and a static split into halves of equal residues, a scheduler
 * and one worker each, both at once. The bound comes from the engines' own times for their halves.
 * Needs the model in the cache (`raysidue model pull antiberty`). Writes docs/experiments/two-engines.*.
 */
import { strict as assert } from "node:assert";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { DaemonChild } from "../../src/base/child-process.ts";
import { Random } from "../../src/base/random.ts";
import { connect, embed, type Session } from "../../src/driver/api.ts";
import { makeToken } from "../../src/rpc/channel.ts";
import { parseTrace } from "../../src/simulate/trace.ts";
import { type Hold, holdTo } from "./half-core.ts";
import { warmUp } from "./real-fleet.ts";
import { Circumstances, median, writeReport } from "./report.ts";

const { values } = parseArgs({
  options: {
    chains: { type: "string", default: "600" },
    rounds: { type: "string", default: "2" },
    share: { type: "string", default: "0.5" },
  },
});
const share = Number(values.share);
const PROGRAM = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));
const LETTERS = "ACDEFGHIKLMNPQRSTVWY";
/** Of a chain's residues; enough that no two mutants are equal. */
const MUTATIONS = 4;

/** A scheduler and workers of one single-threaded engine each, warm. */
class SmallFleet {
  readonly session: Session;
  readonly #children: DaemonChild[];
  readonly #holds: Hold[];

  private constructor(session: Session, children: DaemonChild[], holds: Hold[]) {
    this.session = session;
    this.#children = children;
    this.#holds = holds;
  }

  /** `shares`: of a core, one a worker. */
  static async start(folder: string, shares: readonly number[]): Promise<SmallFleet> {
    const environment = { RAYSIDUE_TOKEN: makeToken(), RAYSIDUE_CACHE_DIR: join(folder, "cache") };
    const logPath = join(folder, "daemons.ndjson");
    const start = async (what: string, args: string[], more: Record<string, string> = {}) => {
      const started = await DaemonChild.start({
        what,
        arguments: [PROGRAM, what, "start", "--with-parent", ...args],
        environment: { ...environment, ...more },
        logPath,
      });
      children.push(started.child);
      return started;
    };
    const children: DaemonChild[] = [];
    const { line: address } = await start("scheduler", ["--listen", "127.0.0.1:0"]);
    for (const _ of shares) {
      await start("worker", ["--engines", "1", "--threads", "1"], { RAYSIDUE_ADDRESS: address });
    }
    const session = await connect({ address, token: environment.RAYSIDUE_TOKEN });
    await warmUp(session, shares.length, "antiberty");
    const holds: Hold[] = [];
    for (const [index, each] of shares.entries()) {
      if (each < 1) holds.push(await holdTo(each, await engineOf(children[index + 1]!.pid)));
    }
    return new SmallFleet(session, children, holds);
  }

  get way(): string {
    return this.#holds[0]?.way ?? "";
  }

  async close(): Promise<void> {
    for (const hold of this.#holds) await hold.release();
    await this.session.close();
    for (const child of [...this.#children].reverse()) await child.stop();
  }
}

/** The engine process of a worker daemon: its one child. */
async function engineOf(daemonPid: number): Promise<number> {
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const status = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    const parent = Number(status.slice(status.lastIndexOf(")") + 2).split(" ")[1]);
    if (parent === daemonPid) return Number(name);
  }
  throw new Error(`worker ${daemonPid} has no engine process`);
}

interface Timed {
  readonly seconds: number;
  /** Engine time of all devices. */
  readonly busySeconds: number;
}

async function run(fleet: SmallFleet, fasta: string, folder: string): Promise<Timed> {
  const { balance } = await embed(fleet.session, {
    inputs: [fasta],
    outputFolder: folder,
    model: "antiberty",
    cacheFolder: null,
    isOffline: true,
  });
  assert(balance !== undefined, "nothing was computed");
  const path = join(folder, "trace.tsv");
  const attempts = parseTrace(await readFile(path, "utf8"), path);
  const busySeconds = attempts.reduce((sum, each) => sum + each.busySeconds, 0);
  await rm(folder, { recursive: true });
  return { seconds: balance.achieved_s, busySeconds };
}

async function makeChains(): Promise<string[]> {
  const text = await readFile("examples/antibodies.fasta", "utf8");
  const originals = text
    .split(/^>.*$/m)
    .map((each) => each.replace(/\s/g, ""))
    .filter((each) => each !== "");
  const random = new Random(1);
  return Array.from({ length: Number(values.chains) }, (_, index) => {
    const letters = [...originals[index % originals.length]!];
    for (let n = 0; n < MUTATIONS; n++) {
      letters[random.below(letters.length)] = LETTERS[random.below(LETTERS.length)]!;
    }
    return letters.join("");
  });
}

/** Longest first, each to the part with fewer residues: the old pipeline's split. */
function halvesOf(chains: readonly string[]): [string[], string[]] {
  const halves: [string[], string[]] = [[], []];
  const sums = [0, 0];
  for (const chain of [...chains].sort((a, b) => b.length - a.length)) {
    const part = sums[0]! <= sums[1]! ? 0 : 1;
    halves[part].push(chain);
    sums[part]! += chain.length;
  }
  return halves;
}

const fastaOf = (chains: readonly string[]) =>
  chains.map((chain, index) => `>c${index}\n${chain}\n`).join("");

interface Round {
  readonly together: Timed;
  readonly halves: readonly [Timed, Timed];
  readonly bound: number;
}

const circumstances = new Circumstances();
const folder = await mkdtemp(join(tmpdir(), "raysidue-two-"));
const rounds: Round[] = [];
let way = "";
const chains = await makeChains();
try {
  const [all, first, second] = ["all", "first", "second"].map((name) =>
    join(folder, `${name}.fasta`),
  ) as [string, string, string];
  const halves = halvesOf(chains);
  await writeFile(all, fastaOf(chains));
  await writeFile(first, fastaOf(halves[0]));
  await writeFile(second, fastaOf(halves[1]));
  for (let round = 0; round < Number(values.rounds); round++) {
    const both = await SmallFleet.start(folder, [1, share]);
    way = both.way;
    const together = await run(both, all, join(folder, "out")).finally(() => both.close());
    const [whole, part] = [
      await SmallFleet.start(folder, [1]),
      await SmallFleet.start(folder, [share]),
    ];
    const split = await Promise.all([
      run(whole, first, join(folder, "out-1")),
      run(part, second, join(folder, "out-2")),
    ]).finally(() => Promise.all([whole.close(), part.close()]));
    // Each did half the work: together they do 1 / (2 a) + 1 / (2 b) of it a second.
    const [a, b] = [split[0].busySeconds, split[1].busySeconds];
    rounds.push({ together, halves: split, bound: (2 * a * b) / (a + b) });
    process.stderr.write(`${JSON.stringify(rounds.at(-1))}\n`);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

const staticSeconds = ({ halves }: Round) => Math.max(halves[0].seconds, halves[1].seconds);
const seconds = (value: number) => value.toFixed(2);
await writeReport(
  {
    name: "two-engines",
    title: "Two real engines, one at half a core",
    paragraphs: [
      `AntiBERTy on ${chains.length} distinct antibody chains (mutants of the example's) with two engine processes of one thread; ` +
        `the second one is held back: ${way}. Bound: from the engine time that each of the two took for its half of the static split.`,
      "Static: each engine gets half of the residues and a scheduler of its own. Achieved times begin when the first engine is ready and end with the last commit.",
      `Medians over the bound: redistributed ${median(rounds.map(({ together, bound }) => together.seconds / bound)).toFixed(3)}, ` +
        `static ${median(rounds.map((round) => staticSeconds(round) / round.bound)).toFixed(3)}.`,
    ],
    tables: [
      {
        columns: [
          "round",
          "speeds",
          "bound (s)",
          "redistributed (s)",
          "ratio",
          "static (s)",
          "ratio",
        ],
        rows: rounds.map((round, index) => [
          index + 1,
          `1 : ${(round.halves[0].busySeconds / round.halves[1].busySeconds).toFixed(2)}`,
          seconds(round.bound),
          seconds(round.together.seconds),
          (round.together.seconds / round.bound).toFixed(3),
          seconds(staticSeconds(round)),
          (staticSeconds(round) / round.bound).toFixed(3),
        ]),
      },
    ],
    data: { chains: chains.length, way, rounds },
  },
  circumstances,
);
