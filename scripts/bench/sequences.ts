/**
 * Sequences that the benchmarks feed to both sides.
 *
 * Owns: reading FASTA files, choosing from them with a seed, and writing what was chosen. Invariant:
 * both sides get the same letters in the same order.
 */
import { readFile, writeFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { Random } from "../../src/base/random.ts";
import { readFasta } from "../../src/formats/text/fasta.ts";

/** Sequences of a FASTA file (plain or gzip) in file order, upper case. */
export async function readSequences(path: string): Promise<string[]> {
  const raw = await readFile(path);
  const bytes = path.endsWith(".gz") ? gunzipSync(raw) : raw;
  const sequences: string[] = [];
  for await (const records of readFasta(once(bytes), path)) {
    for (const { residues } of records) {
      sequences.push(Buffer.from(residues).toString("latin1").toUpperCase());
    }
  }
  return sequences;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The first of each, in order, of those that a model with these limits embeds. */
export function distinctOf(
  sequences: readonly string[],
  limits: { readonly letters: string; readonly residuesMax: number },
): string[] {
  return [...new Set(sequences)].filter((text) => fits(text, limits));
}

/** Whether a model with these limits embeds `text`. */
export function fits(
  text: string,
  { letters, residuesMax }: { readonly letters: string; readonly residuesMax: number },
): boolean {
  if (text === "" || text.length > residuesMax) return false;
  return [...text].every((letter) => letters.includes(letter));
}

/** `count` of `values`, chosen by `seed`, in their order. */
export function sample<T>(values: readonly T[], count: number, seed: number): T[] {
  const random = new Random(seed);
  const indexes = [...values.keys()];
  for (let i = indexes.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [indexes[i], indexes[j]] = [indexes[j]!, indexes[i]!];
  }
  return indexes
    .slice(0, count)
    .sort((a, b) => a - b)
    .map((i) => values[i]!);
}

export function chunksOf<T>(values: readonly T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let i = 0; i < values.length; i += size) chunks.push(values.slice(i, i + size));
  return chunks;
}

/** Tokens of sequences: each has two special ones. */
export function tokensOf(sequences: readonly string[]): number {
  return sequences.reduce((sum, text) => sum + text.length + 2, 0);
}

export async function writeFasta(path: string, sequences: readonly string[]): Promise<void> {
  await writeFile(path, sequences.map((text, i) => `>s${i}\n${text}\n`).join(""));
}
