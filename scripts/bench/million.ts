/**
 * Part `million`: short sequences through an emulated engine that answers at once.
 *
 * No model runs, so what is measured is everything around one: reading, planning, scheduling,
 * shards, output. Results of an emulated engine are compositions, not embeddings.
 */
import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Random } from "../../src/base/random.ts";
import { formatBytes, formatCount } from "../../src/base/units.ts";
import { runEmbed } from "./cli-run.ts";
import { type Context, say } from "./context.ts";
import type { Part } from "./report.ts";

const LENGTHS = { min: 12, max: 40 } as const;
const SAMPLE_MS = 200;

/** Distinct with near certainty: 20^12 is far more than 10^6 squared. */
function* records(count: number, seed: number): Generator<string> {
  const random = new Random(seed);
  const letters = "ACDEFGHIKLMNPQRSTVWY";
  const span = LENGTHS.max - LENGTHS.min + 1;
  let block = "";
  for (let i = 0; i < count; i++) {
    const length = LENGTHS.min + random.below(span);
    block += `>p${i}\n`;
    for (let at = 0; at < length; at++) block += letters[random.below(letters.length)];
    block += "\n";
    if (block.length < 1 << 16) continue;
    yield block;
    block = "";
  }
  yield block;
}

export async function benchMillion(context: Context): Promise<Part> {
  const { folder, threads, seed } = context;
  const found: { count: number; seconds: number; treeBytes: number; rootBytes: number }[] = [];
  for (const count of context.millions) {
    const fasta = join(folder, "million.fa");
    await pipeline(Readable.from(records(count, seed)), createWriteStream(fasta));
    const output = join(folder, "million");
    const cache = join(folder, "million-cache");
    const flags = ["-m", "emulate"];
    const own = { fasta, output, cache, cores: threads, flags, sampleMs: SAMPLE_MS };
    const { seconds, treeBytes, rootBytes } = await runEmbed(own);
    found.push({ count, seconds, treeBytes, rootBytes });
    say(
      `million: ${count} in ${seconds.toFixed(1)} s, all ${formatBytes(treeBytes)}, ` +
        `driver ${formatBytes(rootBytes)}`,
    );
    await rm(output, { recursive: true, force: true });
    await rm(fasta);
  }
  const [few, many] = [found[0]!, found.at(-1)!];
  return {
    title: "Many short sequences, emulated engine",
    notes: [
      `Distinct sequences of ${LENGTHS.min} to ${LENGTHS.max} residues through two emulated devices`,
      "that answer at once: everything but a model. Memory of all processes together, shared pages",
      "counted once, and of the driver alone.",
    ],
    columns: ["sequences", "seconds", "sequences/s", "all processes", "driver"],
    rows: found.map(({ count, seconds, treeBytes, rootBytes }) => [
      formatCount(count),
      seconds.toFixed(1),
      formatCount(count / seconds),
      formatBytes(treeBytes),
      formatBytes(rootBytes),
    ]),
    checks: [
      {
        what: "memory of all processes",
        value: many.treeBytes / 2 ** 30,
        unit: " GiB",
        target: 1.5e9 / 2 ** 30,
        isMaximum: true,
      },
      {
        what: `driver's memory, ${formatCount(many.count)} over ${formatCount(few.count)} sequences`,
        value: many.rootBytes / few.rootBytes,
        unit: "x",
        target: 1.25,
        isMaximum: true,
      },
    ],
    figures: { runs: found },
  };
}
