/**
 * The memory of a process and of everything below it, sampled while it runs.
 *
 * Owns: proportional set sizes (a shared page counts once, split among its users) from /proc;
 * Linux only. Short peaks between two samples are not seen.
 */
import { readFileSync } from "node:fs";

const EVERY_MS = 200;

export interface MemoryPeaks {
  /** Largest sum over the whole tree at one moment. */
  readonly treeBytes: number;
  /** Largest of the process itself. */
  readonly rootBytes: number;
}

export class MemoryWatch {
  readonly #pid: number;
  readonly #timer: NodeJS.Timeout;
  #treeBytes = 0;
  #rootBytes = 0;

  constructor(pid: number, everyMs = EVERY_MS) {
    this.#pid = pid;
    this.#timer = setInterval(() => this.sample(), everyMs);
  }

  sample(): void {
    const sizes = treeOf(this.#pid).map(sizeBytes);
    this.#treeBytes = Math.max(
      this.#treeBytes,
      sizes.reduce((sum, each) => sum + each, 0),
    );
    this.#rootBytes = Math.max(this.#rootBytes, sizes[0] ?? 0);
  }

  peaks(): MemoryPeaks {
    return { treeBytes: this.#treeBytes, rootBytes: this.#rootBytes };
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

function treeOf(pid: number): number[] {
  const children = read(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean).map(Number);
  return [pid, ...children.flatMap(treeOf)];
}

function sizeBytes(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) * 1024;
}

/** Empty where the process has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
