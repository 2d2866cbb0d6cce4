/**
 * How a command ends: exit codes and the one line that explains them.
 *
 * Owns: the table from error codes to exit codes (sysexits.h where it has a word for it).
 */
import { type ErrorCode, messageOf, RaysidueError } from "../base/errors.ts";

export const EXIT_OF_CODE = {
  usage: 64,
  "bad-input": 65,
  unavailable: 69,
  unauthenticated: 69,
  internal: 70,
  "try-again": 75,
  cancelled: 130,
} as const satisfies Record<ErrorCode, number>;

/** Finished, but some items are quarantined: they are listed in failed.tsv. */
export const EXIT_QUARANTINED = 2;

/** Version of every JSON value on standard output. */
export const SCHEMA_VERSION = 1;

export function exitCodeOf(thrown: unknown): number {
  return thrown instanceof RaysidueError ? EXIT_OF_CODE[thrown.code] : EXIT_OF_CODE.internal;
}

export interface FailureOptions {
  readonly isJson: boolean;
  /** Instead of the error's own. */
  readonly exitCode?: number;
}

/** Prints what went wrong and sets the exit code. A bug of ours keeps its stack. */
export function reportFailure(thrown: unknown, options: FailureOptions): void {
  const exitCode = options.exitCode ?? exitCodeOf(thrown);
  process.exitCode = exitCode;
  const code = thrown instanceof RaysidueError ? thrown.code : "internal";
  if (code === "internal" && thrown instanceof Error) process.stderr.write(`${thrown.stack}\n`);
  const message = messageOf(thrown);
  process.stderr.write(`raysidue: error: ${message}\n`);
  if (options.isJson) printJson({ error: { code, message }, exit: exitCode });
}

/** The one JSON value of `--json`. */
export function printJson(value: object): void {
  process.stdout.write(`${JSON.stringify({ schema_version: SCHEMA_VERSION, ...value })}\n`);
}
