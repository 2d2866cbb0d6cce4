/**
 * Some of very many files: which are read in place of all, and what stands for the rest.
 *
 * Owns: the seeded draw, and the files' sizes. Nothing but sizes is asked of files that are not read.
 */
import PQueue from "p-queue";
import type { Random } from "../../base/random.ts";
import { DISK } from "../../formats/text/file-source.ts";
import type { PathList } from "../../formats/text/path-list.ts";

/** As many looks as a slow file system answers at once (pose-files.ts). */
const LOOKS_AT_ONCE = 16;

/** So many of the paths, in their order, each as likely. */
export function drawn(paths: PathList, count: number, random: Random): string[] {
  const found: string[] = [];
  let left = paths.length;
  for (const path of paths) {
    if (random.next() * left < count - found.length) found.push(path);
    left--;
  }
  return found;
}

/** Of all of them together. */
export async function bytesOf(paths: Iterable<string>): Promise<number> {
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
