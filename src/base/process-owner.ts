/**
 * Who a process is, in a word that another process can test for life.
 *
 * Owns: the owner words in lock and temporary file names. Invariant: `isProvablyDead` says true
 * only of a process of this machine, boot and pid namespace that is gone; of others nothing is
 * known. Deliberately not here: locking (pull-lock.ts).
 */
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

function attempt(read: () => string): string {
  try {
    return read().trim();
  } catch {
    // Not Linux: the host's name alone must do.
    return "";
  }
}

/** Host, boot and pid namespace: where a pid means the same process. Twelve hex digits. */
function machineWord(): string {
  const boot = attempt(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8"));
  const namespace = attempt(() => readlinkSync("/proc/self/ns/pid"));
  return createHash("sha256")
    .update(`${hostname()}\n${boot}\n${namespace}`)
    .digest("hex")
    .slice(0, 12);
}

/** Clock ticks from boot to the process's start, so that a reused pid is recognised; or "0". */
function startOf(pid: number): string {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  // Field 22; the second, the command's name, may hold blanks and parentheses.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "0";
}

/** A new word for the calling process: `MACHINE-PID-START-NONCE`, safe in a file name. */
export function makeOwnerWord(): string {
  const nonce = randomBytes(4).toString("hex");
  return `${machineWord()}-${process.pid}-${startOf(process.pid)}-${nonce}`;
}

/** Whether `word` was made by another process of this machine that certainly lives. */
export function isProvablyAlive(word: string): boolean {
  const [machine, pidText, start] = word.split("-");
  const pid = Number(pidText);
  if (machine !== machineWord() || pid === process.pid) return false;
  return !isProvablyDead(word) && start !== "0" && startOf(pid) === start;
}

/** Whether the process that made `word` is certainly gone. */
export function isProvablyDead(word: string): boolean {
  const [machine, pidText, start] = word.split("-");
  const pid = Number(pidText);
  if (machine !== machineWord() || !Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (thrown) {
    // EPERM: alive, but another user's.
    if ((thrown as NodeJS.ErrnoException).code === "ESRCH") return true;
  }
  const now = startOf(pid);
  return now !== "0" && start !== "0" && now !== start;
}
