/**
 * Some of very many files: which are read in place of all, and what stands for the rest.
 *
 * Owns: the seeded draw, and the files' sizes. Nothing but sizes is asked of files that are not read.
 */
import PQueue from "p-queue";
import type { Random } from "../../base/random.ts";
import { DISK } from "../../formats/text/file-source.ts";

/** As many looks as a slow file system answers at once (pose-files.ts). */
const LOOKS_AT_ONCE = 16;

/** So many of the paths, in their order, each as likely. */
export function drawn(paths: readonly string[], count: number, random: Random): string[] {
  let left = count;
  return paths.filter((_, i) => {
    const isDrawn = random.next() * (paths.length - i) < left;
    if (isDrawn) left--;
    return isDrawn;
  });
}

/** Of all of them together. */
export async function bytesOf(paths: readonly string[]): Promise<number> {
  const queue = new PQueue({ concurrency: LOOKS_AT_ONCE });
  let bytes = 0;
  for (const path of paths) {
    await queue.onSizeLessThan(4 * LOOKS_AT_ONCE);
    void queue.add(async () => {
      // What cannot be looked at is refused by the run.
      const state = await DISK.stat(path).catch(() => undefined);
      bytes += state?.sizeBytes ?? 0;
    });
  }
  await queue.onIdle();
  return bytes;
}
