/**
 * A model's fingerprint: what makes two models the same.
 *
 * Owns: the one formula. Invariant: it depends on the content of the files that decide results and
 * on nothing else; never on names of folders, times or where the files came from. Deliberately not
 * here: computing the digests of files (digests.ts).
 */
import { createHash } from "node:crypto";

/** What a file is to a model. Shards of weights are numbered in order of their names. */
export type FileRole = "config" | "vocabulary" | `weights-${number}`;

/**
 * SHA-256 (64 hex digits) over the lines `ROLE SHA256`, sorted, behind a line that names this
 * formula, so that a later formula never gives an old fingerprint a new meaning.
 */
export function fingerprintOf(files: Iterable<{ role: FileRole; sha256: string }>): string {
  const lines = [...files].map(({ role, sha256 }) => `${role} ${sha256}\n`).sort();
  return createHash("sha256")
    .update(`raysidue-model-1\n${lines.join("")}`)
    .digest("hex");
}
