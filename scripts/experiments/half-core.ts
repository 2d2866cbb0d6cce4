/**
 * Holds a process to a share of one core.
 *
 * Owns: a control group of version 2 (`cpu.max`) or 1 (`cpu.cfs_quota_us`), where this user may make
 * one, else stopping and continuing the process by signals. Invariant: after `release` the process
 * runs freely and no group is left behind.
 */
import { access, mkdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Short against an engine call, long against a switch of processes. */
const PERIOD_MS = 50;

interface Way {
  readonly root: string;
  /** A file that only such a root has: elsewhere a folder and its files would be made in vain. */
  readonly mark: string;
  readonly limit: (share: number) => readonly [file: string, value: string];
}

const WAYS: readonly Way[] = [
  {
    root: "/sys/fs/cgroup",
    mark: "cgroup.controllers",
    limit: (share) => ["cpu.max", `${Math.round(share * PERIOD_MS * 1000)} ${PERIOD_MS * 1000}`],
  },
  {
    root: "/sys/fs/cgroup/cpu",
    mark: "cpu.cfs_quota_us",
    limit: (share) => ["cpu.cfs_quota_us", String(Math.round(share * PERIOD_MS * 1000))],
  },
];

export interface Hold {
  /** How it is done, for the report. */
  readonly way: string;
  release(): Promise<void>;
}

export async function holdTo(share: number, pid: number): Promise<Hold> {
  for (const way of WAYS) {
    const hold = await holdByGroup(way, share, pid);
    if (hold !== undefined) return hold;
  }
  return holdBySignals(share, pid);
}

async function holdByGroup(
  { root, mark, limit }: Way,
  share: number,
  pid: number,
): Promise<Hold | undefined> {
  const folder = join(root, `raysidue-${pid}`);
  const [file, value] = limit(share);
  try {
    await mkdir(folder);
    // The kernel fills a group's folder by itself; a plain one stays empty.
    await access(join(folder, mark));
    if (file === "cpu.cfs_quota_us") {
      await writeFile(join(folder, "cpu.cfs_period_us"), String(PERIOD_MS * 1000));
    }
    await writeFile(join(folder, file), value);
    await writeFile(join(folder, "cgroup.procs"), String(pid));
  } catch {
    // Not allowed, or another version of control groups: the next way.
    await rmdir(folder).catch(() => {});
    return undefined;
  }
  return {
    way: `control group, ${file} of ${share} core`,
    async release() {
      // Fails where the process has ended, which empties the group as well.
      await writeFile(join(root, "cgroup.procs"), String(pid)).catch(() => {});
      await rmdir(folder).catch(() => {});
    },
  };
}

function holdBySignals(share: number, pid: number): Hold {
  const signal = (name: "SIGSTOP" | "SIGCONT") => {
    try {
      process.kill(pid, name);
    } catch {
      clearInterval(timer);
    }
  };
  const timer = setInterval(() => {
    signal("SIGCONT");
    setTimeout(() => signal("SIGSTOP"), share * PERIOD_MS);
  }, PERIOD_MS);
  return {
    way: `stopped for ${1 - share} of every ${PERIOD_MS} ms`,
    async release() {
      clearInterval(timer);
      await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
      signal("SIGCONT");
    },
  };
}
