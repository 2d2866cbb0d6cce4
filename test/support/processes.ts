/**
 * Processes as the kernel shows them: found by a word in their environment, never by name.
 *
 * Owns: reading /proc. Invariant: only processes whose environment carries the word are seen, so a
 * test can neither kill nor count what is not its own.
 */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

export interface SeenProcess {
  readonly pid: number;
  /** Arguments with blanks between. */
  readonly command: string;
  /** Resident memory. */
  readonly residentBytes: number;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Gone meanwhile, or another user's.
    return "";
  }
}

/** Living processes whose environment holds `word`; zombies have none and are not seen. */
export function processesWith(word: string): SeenProcess[] {
  const seen: SeenProcess[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name) || !read(`/proc/${name}/environ`).split("\0").includes(word)) continue;
    const command = read(`/proc/${name}/cmdline`).split("\0").join(" ").trim();
    const residentPages = Number(read(`/proc/${name}/statm`).split(" ")[1] ?? 0);
    // A process on its way out has an empty command line.
    if (command !== "") {
      seen.push({ pid: Number(name), command, residentBytes: residentPages * 4096 });
    }
  }
  return seen;
}

/** Waits until `condition` holds; throws what `describe` says where it does not in time. */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await delay(20);
  }
}
