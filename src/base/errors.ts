/**
 * The one error class of raysidue.
 *
 * Owns: the closed list of codes that an operating error can have. Invariant: a message says what
 * went wrong, where (file:line, host:port, path) and what to do, in one line. Deliberately not
 * here: exit codes (cli/exit.ts) and gRPC statuses (rpc/status.ts). A programmer's error is an
 * assertion (`node:assert`), never a RaysidueError.
 */

export const ERROR_CODES = [
  "usage", // the command or call is wrong: unknown flag, unknown model name
  "bad-input", // the data is wrong: malformed FASTA, truncated file, wrong digest
  "unavailable", // something needed is not there: no scheduler, no worker, read-only folder
  "try-again", // the same command may succeed later or resumes: disk full, connection lost
  "unauthenticated", // the token was refused
  "cancelled", // the user, or the owner of the run, ended it
  "internal", // a bug of ours that was caught at a border
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

export class RaysidueError extends Error {
  override readonly name = "RaysidueError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** Whether it says that the data is wrong, not the program or what is around it. */
export function isBadInput(error: unknown): error is RaysidueError {
  return error instanceof RaysidueError && error.code === "bad-input";
}

/** Whether running the same thing again, unchanged, can succeed. */
export function isRetryable(error: unknown): boolean {
  return error instanceof RaysidueError && error.code === "try-again";
}

/** The text of anything that was thrown, in one line, without a stack. */
export function messageOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return text.replace(/\s*\n\s*/g, "; ");
}

const DISK_FULL = "the disk is full; free some space and run the same command again";

/** Whether a message is, or passes on, that a disk was full: nothing is wrong with what was done. */
export function saysDiskFull(message: string): boolean {
  return message.includes(DISK_FULL);
}

/** Turns an error of the operating system into one a user can act on; passes RaysidueErrors on. */
export function fromSystemError(thrown: unknown, doing: string): RaysidueError {
  if (thrown instanceof RaysidueError) return thrown;
  const errno = (thrown as NodeJS.ErrnoException | null)?.code;
  const say = (code: ErrorCode, text: string) =>
    new RaysidueError(code, `${doing}: ${text}`, { cause: thrown });
  switch (errno) {
    case "ENOSPC":
    case "EDQUOT":
      return say("try-again", DISK_FULL);
    case "EROFS":
    case "EACCES":
    case "EPERM":
      return say("unavailable", "permission denied or read-only; choose a folder you may write to");
    case "ENOENT":
      return say("bad-input", "no such file or folder");
    case "EISDIR":
    case "ENOTDIR":
      return say("bad-input", messageOf(thrown));
    case "EMFILE":
    case "ENFILE":
      return say("try-again", "too many open files; raise `ulimit -n`");
    default:
      return say("internal", messageOf(thrown));
  }
}
