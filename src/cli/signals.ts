/**
 * Ctrl-C for commands that do work: the first interrupts in good order, the second ends at once.
 */
import { RaysidueError } from "../base/errors.ts";
import { reportFailure } from "./exit.ts";

export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
  /** The exit code that the signal asks for; undefined while there was none. */
  readonly exitCode: number | undefined;
  /** Reports a failure; after a signal, whatever broke first is the signal's doing. */
  report(thrown: unknown, options: { readonly isJson: boolean }): void;
}

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** Listens until disposed of. */
export function abortOnSignals(): Interrupt {
  const controller = new AbortController();
  let exitCode: number | undefined;
  const listener = (name: NodeJS.Signals) => {
    const code = EXIT_CODES[name as keyof typeof EXIT_CODES];
    // Nothing can be lost by leaving at once: what is committed is on disk.
    if (exitCode !== undefined) process.exit(code);
    exitCode = code;
    controller.abort();
  };
  process.on("SIGINT", listener);
  process.on("SIGTERM", listener);
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    report(thrown, options) {
      if (exitCode === undefined) return reportFailure(thrown, options);
      const text = "interrupted; the same command resumes";
      const cancelled = new RaysidueError("cancelled", text, { cause: thrown });
      reportFailure(cancelled, { ...options, exitCode });
    },
    [Symbol.dispose]() {
      process.off("SIGINT", listener);
      process.off("SIGTERM", listener);
    },
  };
}
