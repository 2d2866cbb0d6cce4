/**
 * What `raysidue annotate --species` says, beside ANARCI and beside names of chains:
 * `node dist/scripts/experiments/species.js --fasta CHAINS [--sample 300] [--rounds 3]`.
 *
 * Owns: the comparison. Chains are a FASTA file of the PDB's, whose headers name some sources
 * (MOUSE, LLAMA ...); ANARCI is asked of a sample of the distinct ones, of all its species. Writes
 * docs/experiments/species.*.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { binomialOf } from "../../src/driver/sequences/germline-fields.ts";
import { anarciPython, peerProgram } from "../bench/anarci.ts";
import { runToEnd } from "../bench/child.ts";
import { need } from "../bench/context.ts";
import { Circumstances, median, writeReport } from "./report.ts";

const PROGRAM = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

const { values: flags } = parseArgs({
  options: {
    /** Chains of the PDB; not part of the repository. */
    fasta: { type: "string" },
    /** Distinct chains that ANARCI is asked about. */
    sample: { type: "string", default: "300" },
    rounds: { type: "string", default: "3" },
  },
});

/** What a header says of its chain's source; others, and several, count as nothing. */
const SOURCES: Readonly<Record<string, RegExp>> = {
  human: /\b(HUMAN|HOMO SAPIENS)\b/,
  mouse: /\b(MOUSE|MURINE)\b/,
  rabbit: /\bRABBIT\b/,
  rat: /\bRAT\b/,
  "camel, llama, nanobody": /\b(LLAMA|CAMEL\w*|ALPACA|NANOBOD\w*|VHH\w*|DROMEDAR\w*)\b/,
};
const ENGINEERED = /HUMANI[SZ]ED|CHIMER/;

interface Chain {
  readonly sequence: string;
  /** Headers of all records with it. */
  readonly headers: string;
}

async function readChains(path: string): Promise<Chain[]> {
  const raw = await readFile(path);
  const text = (path.endsWith(".gz") ? gunzipSync(raw) : raw).toString("latin1");
  const headers = new Map<string, string>();
  for (const record of text.split(/^>/m).slice(1)) {
    const [header = "", ...lines] = record.split("\n");
    const sequence = lines.join("").trim();
    headers.set(sequence, `${headers.get(sequence) ?? ""} ${header.toUpperCase()}`);
  }
  return [...headers].map(([sequence, all]) => ({ sequence, headers: all }));
}

async function annotate(fasta: string, folder: string, ...more: string[]): Promise<number> {
  await rm(join(folder, "out"), { recursive: true, force: true });
  const args = ["annotate", fasta, "-o", join(folder, "out"), "--no-cache", ...more];
  const { seconds } = await runToEnd("raysidue annotate", [process.execPath, PROGRAM, ...args]);
  return seconds;
}

/** The first domain's values, by id. */
async function readSummary(path: string): Promise<Map<string, Record<string, string>>> {
  const [head, ...lines] = (await readFile(path, "utf8")).trimEnd().split("\n");
  const columns = head!.split("\t");
  const rows = lines.map((line) => {
    const fields = line.split("\t").map((field) => field.split(",")[0]!);
    return Object.fromEntries(columns.map((column, i) => [column, fields[i]!]));
  });
  return new Map(rows.map((row) => [row.sequence_id!, row]));
}

type Peer = Record<string, { profile: string; species: string; gene: string; identity: number }>;

async function askPeer(chains: readonly Chain[], folder: string): Promise<Peer> {
  const step = Math.max(1, chains.length / Number(flags.sample));
  const lines: string[] = [];
  for (let at = 0; at < chains.length; at += step) {
    const i = Math.floor(at);
    lines.push(`c${i}\t${chains[i]!.sequence}\n`);
  }
  const [input, output] = [join(folder, "sample.tsv"), join(folder, "sample.json")];
  await writeFile(input, lines.join(""));
  await runToEnd("ANARCI", [anarciPython(), peerProgram("anarci_germlines.py"), input, output]);
  return JSON.parse(await readFile(output, "utf8")) as Peer;
}

async function main(): Promise<void> {
  const circumstances = new Circumstances();
  const chains = await readChains(need(flags.fasta, "--fasta", "chains of the PDB"));
  const folder = await mkdtemp(join(os.tmpdir(), "raysidue-species-"));
  try {
    const fasta = join(folder, "distinct.fasta");
    await writeFile(fasta, chains.map(({ sequence }, i) => `>c${i}\n${sequence}\n`).join(""));
    const times: { plain: number; told: number }[] = [];
    for (let round = 0; round < Number(flags.rounds); round++) {
      const plain = await annotate(fasta, folder);
      times.push({ plain, told: await annotate(fasta, folder, "--species") });
    }
    const own = await readSummary(join(folder, "out", "summary.tsv"));
    const peer = await askPeer(chains, folder);
    await report({ chains, own, peer, times }, circumstances);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function report(
  parts: {
    readonly chains: readonly Chain[];
    readonly own: ReadonlyMap<string, Record<string, string>>;
    readonly peer: Peer;
    readonly times: readonly { readonly plain: number; readonly told: number }[];
  },
  circumstances: Circumstances,
): Promise<void> {
  const { chains, own, peer, times } = parts;
  const compared = Object.entries(peer).flatMap(([id, theirs]) => {
    const ours = own.get(id);
    return ours === undefined || ours.v_call === "" ? [] : [{ ours, theirs }];
  });
  type Pair = (typeof compared)[number];
  const share = (what: string, isSame: (pair: Pair) => boolean) => {
    const same = compared.filter(isSame).length;
    return [what, same, `${((100 * same) / compared.length).toFixed(2)} %`];
  };
  const isSameSpecies = ({ ours, theirs }: Pair) =>
    ours.locus_species === binomialOf(theirs.species);
  const geneOf = (call: string) => call.replace(/\*.*/, "");
  const agreement = [
    share("species of the nearest V germline", isSameSpecies),
    share("and its gene", (pair) => {
      return isSameSpecies(pair) && geneOf(pair.ours.v_call!) === geneOf(pair.theirs.gene);
    }),
    share("and its allele", (pair) => {
      return isSameSpecies(pair) && pair.ours.v_call === pair.theirs.gene;
    }),
    // Ours has three digits.
    share("a V germline as near as ANARCI's, or nearer", ({ ours, theirs }) => {
      return Number(ours.v_identity) > theirs.identity - 0.0006;
    }),
    share("species of ANARCI's best profile", ({ ours, theirs }) => {
      return ours.locus_species === binomialOf(theirs.profile);
    }),
  ];
  const named = Object.entries(SOURCES).map(([source, words]) => {
    const counts = new Map<string, number>();
    for (const [i, { headers }] of chains.entries()) {
      const hits = Object.values(SOURCES).filter((each) => each.test(headers));
      const species = own.get(`c${i}`)?.locus_species ?? "";
      const isPlain = hits.length === 1 && hits[0] === words && !ENGINEERED.test(headers);
      if (isPlain && species !== "") counts.set(species, (counts.get(species) ?? 0) + 1);
    }
    const listed = [...counts].sort((a, b) => b[1] - a[1]).map(([name, n]) => `${n} ${name}`);
    return [source, listed.join(", ")];
  });
  const [plain, told] = [median(times.map((t) => t.plain)), median(times.map((t) => t.told))];
  await writeReport(
    {
      name: "species",
      title: "Species by the nearest germlines",
      paragraphs: [
        `${chains.length} distinct chains annotated in ${plain.toFixed(1)} s, with --species in ${told.toFixed(1)} s (whole processes, medians of ${times.length}).`,
        `ANARCI was asked about ${Object.keys(peer).length} of them, evenly spread, of all its species; by default it takes human and mouse alone. First domains; ${compared.length} are numbered by both. Where they differ, ANARCI mostly compares CDR1 of kappa chains as its profile aligns it, before it is numbered.`,
      ],
      tables: [
        {
          heading: "Where ANARCI says the same",
          columns: ["", "chains", "share"],
          rows: agreement,
        },
        {
          heading: "What headers of the PDB say",
          columns: ["header names", "nearest germline"],
          rows: named,
        },
      ],
      data: { times, compared: compared.length, agreement, named },
    },
    circumstances,
  );
}

await main();
