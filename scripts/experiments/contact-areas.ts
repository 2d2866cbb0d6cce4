/**
 * Contact areas of all atom pairs beside Voronota's, as the original runs it:
 * `node dist/scripts/experiments/contact-areas.js --index bm55_index.tsv [--every 2] [--seed 1]`.
 *
 * Owns: the comparison. Complexes are of a table with the columns `file` (beside it), `ab_chains`
 * and `ag_chains`; each as it is, turned about the antigen by 2 to 25 degrees, and pushed into it so
 * that the chains clash. Every pair within reach counts, also what no graph asks for, and what only
 * one of the two gives an area. Writes docs/experiments/contact-areas.*.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { readPdb } from "../../src/formats/structure/pdb.ts";
import { CellList } from "../../src/science/cells.ts";
import { type PreparedComplex, prepareComplex } from "../../src/science/prepare.ts";
import { contactAreas } from "../../src/science/voronoi.ts";
import { need, say } from "../bench/context.ts";
import { originalVoronota } from "../bench/original.ts";
import { type PoseSource, pushedPose, readPoseSource, turnedPose } from "../bench/poses.ts";
import { Circumstances, writeReport } from "./report.ts";

const { values: flags } = parseArgs({
  options: {
    /** Table of complexes; not part of the repository. */
    index: { type: "string" },
    /** Every how many of its rows. */
    every: { type: "string", default: "1" },
    seed: { type: "string", default: "1" },
  },
});

/** Two radii of at most 1.8 and the probe's diameter, angstrom: no contact beyond. */
const REACH = 6.4;
/** Half of the last digit that Voronota prints of an area of 10 and more, square angstrom. */
const TOLERANCE = 5.0001e-5;

/** What becomes of the records of a complex. */
const KINDS = {
  "as it is": ({ lines }) => lines,
  "turned by 2 to 25 degrees": (source) =>
    turnedPose(source, { seed: Number(flags.seed), number: 0, degrees: 25 }),
  "8 angstrom into the antigen": (source) => pushedPose(source, 8),
} satisfies Record<string, (source: PoseSource) => readonly string[]>;
type Kind = keyof typeof KINDS;

interface Complex {
  readonly name: string;
  readonly antibody: readonly string[];
  readonly source: PoseSource;
}

interface Comparison {
  readonly name: string;
  readonly kind: Kind;
  readonly pairs: number;
  readonly contacts: number;
  /** Square angstrom. */
  readonly largest: number;
  readonly off: readonly Difference[];
  /** Contacts of which every digit that Voronota prints is the same. */
  readonly same: number;
  readonly ourSeconds: number;
  readonly theirSeconds: number;
}

interface Difference {
  /** Indices in the prepared complex. */
  readonly atoms: readonly [number, number];
  readonly ours: number;
  readonly theirs: number;
}

async function readComplexes(path: string): Promise<Complex[]> {
  const [head, ...lines] = (await readFile(path, "utf8")).trimEnd().split("\n");
  const columns = head!.split("\t");
  const complexes: Complex[] = [];
  for (const line of lines.filter((_, i) => i % Number(flags.every) === 0)) {
    const field = (name: string) => line.split("\t")[columns.indexOf(name)]!;
    const source = await readPoseSource(join(dirname(path), field("file")), [
      ...field("ag_chains"),
    ]);
    complexes.push({ name: field("pdb"), antibody: [...field("ab_chains")], source });
  }
  return complexes;
}

async function prepared(complex: Complex, kind: Kind): Promise<PreparedComplex> {
  const { name, source, antibody } = complex;
  const lines = KINDS[kind](source);
  const [heavy, light] = antibody;
  const choice = { heavy: heavy!, ...(light !== undefined && { light }), antigen: source.antigen };
  async function* bytes() {
    yield Buffer.from(`${lines.join("\n")}\nEND\n`, "latin1");
  }
  for await (const record of readPdb(bytes(), name)) {
    if (record.kind !== "structure") throw record.fault.error;
    return prepareComplex(record.structure, choice, "original");
  }
  throw new Error(`${name} has no model`);
}

/** The prepared complex as the original gives it to Voronota; serial numbers are indices + 1. */
function pdbText(complex: PreparedComplex): string {
  const number = (value: number, width: number) => String(value).padStart(width);
  const lines = complex.atomNames.map((name, atom) => {
    const residue = complex.residues[complex.atomResidues[atom]!]!;
    const element = complex.elements[atom]!;
    const fullName = name.length < 4 && element.length === 1 ? ` ${name}` : name;
    const place = [complex.x, complex.y, complex.z].map((axis) => axis[atom]!.toFixed(3));
    return [
      residue.isHetero ? "HETATM" : "ATOM  ",
      number(atom + 1, 5),
      ` ${fullName.padEnd(4)}`,
      String.fromCharCode(complex.altLocs[atom]! || 32),
      `${residue.name.padStart(3)} ${"AB"[residue.chain]}`,
      `${number(residue.number, 4)}    `,
      place.map((value) => value.padStart(8)).join(""),
      `  1.00  0.00          ${element.padStart(2)}`,
    ].join("");
  });
  return `${lines.join("\n")}\nEND\n`;
}

const keyOf = (a: number, b: number) => Math.min(a, b) * 1e6 + Math.max(a, b);

/** Areas by pair of atoms, as they are printed. */
function voronotaAreas(program: string, complex: PreparedComplex): Map<number, string> {
  const ask = (command: string, input: string) =>
    execFileSync(program, [command], { input, maxBuffer: 2 ** 28, encoding: "utf8" });
  const balls = ask("get-balls-from-atoms-file", pdbText(complex));
  const atoms = balls
    .trimEnd()
    .split("\n")
    .map((line) => Number(/# (\d+)/.exec(line)![1]) - 1);
  const areas = new Map<number, string>();
  for (const line of ask("calculate-contacts", balls).trimEnd().split("\n")) {
    const [a, b, area] = line.split(" ");
    if (a !== b) areas.set(keyOf(atoms[Number(a)]!, atoms[Number(b)]!), area!);
  }
  return areas;
}

function ourAreas(complex: PreparedComplex, also: Iterable<number>): Map<number, number> {
  const nodeAtoms = Int32Array.from({ length: complex.atomCount }, (_, atom) => atom);
  const cells = new CellList(complex, nodeAtoms, REACH);
  const keys = new Set(also);
  const found: number[] = [];
  for (const atom of nodeAtoms) {
    const count = cells.within(complex.x[atom]!, complex.y[atom]!, complex.z[atom]!, REACH, found);
    for (const other of found.slice(0, count)) if (other > atom) keys.add(keyOf(atom, other));
  }
  const all = [...keys];
  const edges = {
    source: Int32Array.from(all, (key) => Math.floor(key / 1e6)),
    target: Int32Array.from(all, (key) => key % 1e6),
  };
  const none = { source: new Int32Array(), target: new Int32Array() };
  const [areas] = contactAreas(complex, { nodeAtoms, interface: edges, internal: none });
  return new Map(all.map((key, i) => [key, areas[i]!]));
}

async function compare(program: string, complex: Complex, kind: Kind): Promise<Comparison> {
  const pose = await prepared(complex, kind);
  const startedAt = performance.now();
  const theirs = voronotaAreas(program, pose);
  const between = performance.now();
  const ours = ourAreas(pose, theirs.keys());
  const endedAt = performance.now();
  const off: Difference[] = [];
  let [largest, same] = [0, 0];
  for (const [key, area] of ours) {
    const printed = theirs.get(key) ?? "0";
    const difference = Math.abs(area - Number(printed));
    largest = Math.max(largest, difference);
    if (printed !== "0" && Number(area.toPrecision(6)) === Number(printed)) same++;
    if (!(difference <= TOLERANCE)) {
      const atoms = [Math.floor(key / 1e6), key % 1e6] as const;
      off.push({ atoms, ours: area, theirs: Number(printed) });
    }
  }
  const result = {
    name: complex.name,
    kind,
    pairs: ours.size,
    contacts: theirs.size,
    largest,
    off,
    same,
    ourSeconds: (endedAt - between) / 1000,
    theirSeconds: (between - startedAt) / 1000,
  };
  say(`${result.name} ${kind}: ${result.pairs} pairs, ${off.length} off, at most ${largest}`);
  return result;
}

async function main(): Promise<void> {
  const circumstances = new Circumstances();
  const program = originalVoronota();
  const complexes = await readComplexes(need(flags.index, "--index", "a table of complexes"));
  const results: Comparison[] = [];
  for (const complex of complexes) {
    for (const kind of Object.keys(KINDS) as Kind[]) {
      results.push(await compare(program, complex, kind));
    }
  }
  const sum = (of: readonly Comparison[], value: (one: Comparison) => number) =>
    of.reduce((total, one) => total + value(one), 0);
  const rows = Object.keys(KINDS).map((kind) => {
    const of = results.filter((one) => one.kind === kind);
    const contacts = sum(of, (one) => one.contacts);
    return [
      kind,
      of.length,
      sum(of, (one) => one.pairs),
      contacts,
      sum(of, (one) => one.off.length),
      Math.max(...of.map((one) => one.largest)).toExponential(1),
      `${((100 * sum(of, (one) => one.same)) / contacts).toFixed(3)} %`,
    ];
  });
  // Its version is in the list of commands that it answers an unknown one with.
  const [version] = spawnSync(program, ["help"], { encoding: "utf8" }).stdout.split("\n");
  const [ours, theirs] = [sum(results, (r) => r.ourSeconds), sum(results, (r) => r.theirSeconds)];
  await writeReport(
    {
      name: "contact-areas",
      title: "Contact areas beside Voronota's",
      paragraphs: [
        `${complexes.length} complexes of antibody and antigen, all atom pairs of each within ${REACH} angstrom; the peer is ${version}. Half of the last digit that it prints of an area of 10 square angstrom is 5e-5.`,
        `All pairs took ${ours.toFixed(0)} s here and ${theirs.toFixed(0)} s there; a graph asks for some hundreds of them.`,
      ],
      tables: [
        {
          columns: [
            ...["antibody", "poses", "pairs", "contacts of Voronota"],
            ...["off by more than 5e-5", "largest difference", "all printed digits the same"],
          ],
          rows,
        },
      ],
      data: { results },
    },
    circumstances,
  );
}

await main();
