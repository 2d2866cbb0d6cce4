/**
 * How fast `raysidue annotate` is, beside ANARCI.
 *
 *     npm run bench:annotate -- --fasta CHAINS [--sample 400] [--rounds 3]
 *
 * Ours from the start of the process to its end on the whole file, reading, start-up and writing
 * included, nothing cached; ANARCI on a sample spread evenly over the same file, in turns, without
 * its imports. Prints a table with the ratio of rates and how far the two numberings agree, and
 * keeps it in docs/benchmarks.md. ANARCI comes from PyPI (into .venvs/anarci) and needs hmmscan
 * (Debian: apt install hmmer); where they cannot be had, it says why and measures ours alone. The
 * input is not part of the repository: any FASTA file of antibody chains will do.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { messageOf } from "../../src/base/errors.ts";
import { ANNOTATION_COLUMNS } from "../../src/driver/sequences/annotation-tables.ts";
import { readTsv } from "../../src/formats/table/tsv.ts";
import { anarciPython, peerProgram } from "./anarci.ts";
import { need, say } from "./context.ts";
import { type Part, publishPart } from "./report.ts";
import { readSequences } from "./sequences.ts";

const PROGRAM = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));
const PEER = peerProgram("anarci_number.py");

const { values: flags } = parseArgs({
  options: {
    fasta: { type: "string" },
    /** Chains that ANARCI numbers in one call. */
    sample: { type: "string", default: "400" },
    rounds: { type: "string", default: "3" },
    document: { type: "string", default: "docs/benchmarks.md" },
    json: { type: "string", default: "docs/benchmarks/annotate.json" },
    "dry-run": { type: "boolean", default: false },
  },
});

interface Timing {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** Residue by position of the first domain, by row or name. */
type Numberings = ReadonlyMap<string, Readonly<Record<string, string>>>;

/** User and system time of ended children of this process so far, in seconds. */
function childrenCpuSeconds(): number {
  const stat = readFileSync("/proc/self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // cutime and cstime, in ticks of USER_HZ: 100 a second wherever there is Node.
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

async function runOurs(fasta: string, output: string): Promise<Timing> {
  await rm(output, { recursive: true, force: true });
  const cpuBefore = childrenCpuSeconds();
  const startedAt = performance.now();
  const child = spawn(process.execPath, [PROGRAM, "annotate", fasta, "-o", output, "--no-cache"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (bytes: Buffer) => {
    said = (said + bytes.toString()).slice(-4000);
  });
  const [code] = await once(child, "exit");
  const seconds = (performance.now() - startedAt) / 1000;
  if (code !== 0) throw new Error(`raysidue annotate ended with ${code}:\n${said}`);
  return { seconds, cpuSeconds: childrenCpuSeconds() - cpuBefore };
}

async function runPeer(
  python: string,
  folder: string,
  chains: readonly (readonly [number, string])[],
): Promise<{ timing: Timing; numberings: Numberings }> {
  const [input, output] = [join(folder, "chains.tsv"), join(folder, "numbered.json")];
  await writeFile(input, chains.map(([row, sequence]) => `${row}\t${sequence}\n`).join(""));
  const child = spawn(python, [PEER, input, output], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (bytes: Buffer) => {
    said += bytes.toString();
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`ANARCI ended with ${code}`);
  const found = JSON.parse(await readFile(output, "utf8")) as Record<
    string,
    Record<string, string>
  >;
  return { timing: JSON.parse(said) as Timing, numberings: new Map(Object.entries(found)) };
}

async function numberingsOf(output: string): Promise<Numberings> {
  const found = new Map<string, Record<string, string>>();
  for await (const block of readTsv(join(output, "annotations.tsv"), ANNOTATION_COLUMNS)) {
    for (const [row, , domain, , , residue, position, insertion] of block) {
      if (domain !== "1") continue;
      const known = found.get(row!) ?? {};
      known[`${position}${insertion}`] = residue!;
      found.set(row!, known);
    }
  }
  return found;
}

/** Shares of residues and chains on which both agree, over chains that both number. */
function agreement(ours: Numberings, theirs: Numberings) {
  let residues = 0;
  let equal = 0;
  let chains = 0;
  let equalChains = 0;
  for (const [row, peer] of theirs) {
    const own = ours.get(row);
    if (own === undefined) continue;
    const labels = Object.keys(peer);
    const same = labels.filter((label) => own[label] === peer[label]).length;
    residues += labels.length;
    equal += same;
    chains++;
    if (same === labels.length && labels.length === Object.keys(own).length) equalChains++;
  }
  return { chains, residues: equal / residues, equalChains: equalChains / chains };
}

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

async function measure(fasta: string, folder: string): Promise<Part> {
  const sequences = await readSequences(fasta);
  const distinct = new Set(sequences).size;
  const count = Math.min(Number(flags.sample), sequences.length);
  const step = sequences.length / count;
  const chains = Array.from({ length: count }, (_, i) => {
    const row = Math.floor(i * step);
    return [row, sequences[row]!] as const;
  });
  let python: string | undefined;
  let why = "";
  try {
    python = anarciPython();
  } catch (thrown) {
    why = `ANARCI was not measured: ${messageOf(thrown)}.`;
    say(why);
  }
  const output = join(folder, "out");
  const ours: Timing[] = [];
  const theirs: Timing[] = [];
  let agrees: ReturnType<typeof agreement> | undefined;
  // The first run of all makes the environment where there is none.
  await runOurs(fasta, output);
  for (let round = 0; round < Number(flags.rounds); round++) {
    ours.push(await runOurs(fasta, output));
    say(`raysidue: ${ours.at(-1)!.seconds.toFixed(2)} s for ${sequences.length} chains`);
    if (python === undefined) continue;
    const { timing, numberings } = await runPeer(python, folder, chains);
    say(`ANARCI: ${timing.seconds.toFixed(2)} s for ${count} chains`);
    theirs.push(timing);
    agrees ??= agreement(await numberingsOf(output), numberings);
  }
  const rateOf = (timings: readonly Timing[], of: number, which: keyof Timing) =>
    of / median(timings.map((timing) => timing[which]));
  const own = {
    wall: rateOf(ours, sequences.length, "seconds"),
    cpu: rateOf(ours, sequences.length, "cpuSeconds"),
  };
  const peer = theirs.length > 0 && {
    wall: rateOf(theirs, count, "seconds"),
    cpu: rateOf(theirs, count, "cpuSeconds"),
  };
  const row = (name: string, rates: { wall: number; cpu: number }) => [
    name,
    rates.wall.toFixed(1),
    peer ? (rates.wall / peer.wall).toFixed(1) : "",
    rates.cpu.toFixed(1),
    peer ? (rates.cpu / peer.cpu).toFixed(1) : "",
  ];
  const percent = (share: number) => `${(100 * share).toFixed(3)} %`;
  return {
    title: "Annotation of antibody chains, end to end",
    notes: [
      `${sequences.length} chains, ${distinct} distinct; ANARCI on ${count} of them in one call; ` +
        `medians of ${flags.rounds}.`,
      "Ours from the start of the process to its end, files written; ANARCI without its imports.",
      ...(agrees === undefined
        ? [why]
        : [
            `Of ${agrees.chains} chains that both number, ${percent(agrees.residues)} of residues ` +
              `and ${percent(agrees.equalChains)} of chains agree.`,
          ]),
    ],
    columns: ["", "chains/s", "times ANARCI", "chains per CPU second", "times ANARCI"],
    rows: [row("raysidue annotate", own), ...(peer ? [row("ANARCI", peer)] : [])],
    checks: peer
      ? [{ what: "over ANARCI's rate", value: own.wall / peer.wall, unit: "x", target: 50 }]
      : [],
    figures: { chains: sequences.length, distinct, sample: count, ours, theirs, agrees },
  };
}

async function main(): Promise<void> {
  const fasta = need(flags.fasta, "--fasta", "antibody chains");
  const folder = await mkdtemp(join(os.tmpdir(), "raysidue-bench-"));
  try {
    const kept = { document: flags.document, json: flags.json, isDryRun: flags["dry-run"] };
    const names = { program: "npm run bench:annotate", section: "annotate", part: "annotate" };
    await publishPart(names, kept, () => measure(fasta, folder));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
