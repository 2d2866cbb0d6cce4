/**
 * Memory and processor time of a process and all below it, as Linux counts them.
 *
 * Owns: sampling /proc. The sum is of proportional set sizes: what several processes share counts
 * once. Invariant: sampling itself stays below one per cent of a core at the default interval.
 */
import { readdirSync, readFileSync } from "node:fs";

/** smaps_rollup walks a process's page tables: some milliseconds for each half gigabyte. */
const SAMPLE_MS = 1000;

/** Linux counts in ticks of USER_HZ: 100 a second on every architecture that has Node. */
const TICKS_A_SECOND = 100;

export interface TreeUse {
  /** Largest sum over the whole tree at one sample. */
  readonly treeBytes: number;
  /** Largest resident size of the process that was started; the kernel keeps it between samples. */
  readonly rootBytes: number;
  /** Processor seconds of engine processes, and of all others; of each up to its last sample. */
  readonly engineCpuSeconds: number;
  readonly otherCpuSeconds: number;
}

interface CpuUse {
  readonly isEngine: boolean;
  readonly seconds: number;
}

export class TreeWatch {
  readonly #pid: number;
  readonly #timer: NodeJS.Timeout;
  readonly #cpu = new Map<number, CpuUse>();
  #treeBytes = 0;
  #rootBytes = 0;

  constructor(pid: number, everyMs = SAMPLE_MS) {
    this.#pid = pid;
    this.#timer = setInterval(() => this.sample(), everyMs);
  }

  sample(): void {
    let bytes = 0;
    for (const pid of treeOf(this.#pid)) {
      bytes += fieldBytes(`/proc/${pid}/smaps_rollup`, "Pss");
      const seconds = cpuSecondsOf(pid);
      const isEngine = read(`/proc/${pid}/cmdline`).includes("engine/process.js");
      if (seconds > 0) this.#cpu.set(pid, { isEngine, seconds });
    }
    this.#treeBytes = Math.max(this.#treeBytes, bytes);
    this.#rootBytes = Math.max(this.#rootBytes, fieldBytes(`/proc/${this.#pid}/status`, "VmHWM"));
  }

  use(): TreeUse {
    const cpuSeconds = (isEngine: boolean) =>
      [...this.#cpu.values()].reduce(
        (sum, each) => sum + (each.isEngine === isEngine ? each.seconds : 0),
        0,
      );
    return {
      treeBytes: this.#treeBytes,
      rootBytes: this.#rootBytes,
      engineCpuSeconds: cpuSeconds(true),
      otherCpuSeconds: cpuSeconds(false),
    };
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

/** Empty where the process has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function fieldBytes(path: string, field: string): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(read(path));
  return match === null ? 0 : Number(match[1]) * 1024;
}

/** Fields from the state on: the command's name before it may hold blanks and parentheses. */
function statOf(pid: number | string): string[] {
  const stat = read(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function cpuSecondsOf(pid: number): number {
  const fields = statOf(pid);
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_A_SECOND;
}

/** `root` and everything below it, whichever thread started it. */
export function treeOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(statOf(name)[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const tree = [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}
