/**
 * What the phases of a job took.
 *
 * Owns: the clock. Phases follow one another: what lies between two of them belongs to neither.
 */

export interface PhaseSeconds {
  /** Since the job began, phases or not. */
  readonly total: number;
  readonly read: number;
  readonly compute: number;
  /** Everything from the last result to the report: tables, statistics, the shared cache. */
  readonly write: number;
}

type Phase = "read" | "compute" | "write";

export class PhaseClock {
  readonly #startedAt: number;
  readonly #seconds = { read: 0, compute: 0, write: 0 };
  #phase: Phase | undefined;
  #phaseAt = 0;

  /** `startedAt`: when the job began, `performance.now()`. */
  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  /** Ends the phase that is under way, if any, and begins the next. */
  begin(phase: Phase): void {
    this.#end();
    this.#phase = phase;
  }

  /** Ends the last phase. */
  end(): PhaseSeconds {
    this.#end();
    return { total: (performance.now() - this.#startedAt) / 1000, ...this.#seconds };
  }

  #end(): void {
    const now = performance.now();
    if (this.#phase !== undefined) this.#seconds[this.#phase] += (now - this.#phaseAt) / 1000;
    this.#phase = undefined;
    this.#phaseAt = now;
  }
}
