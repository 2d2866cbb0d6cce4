/**
 * Whether this process was held up: stopped, out of memory, on a machine that does too much.
 *
 * Held up itself, a scheduler has heard nobody, and what was sent meanwhile is still to be read: no
 * worker is to be given up for that. Owns: the time of the last look.
 */

/** Looks that are so late mean that the process was held up. */
const LATE_MS = 1000;

export class StallWatch {
  readonly #everyMs: number;
  #lookedAt = Number.POSITIVE_INFINITY;

  /** `everyMs`: between two looks at most. */
  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** Looks at `now` (milliseconds): whether a stall has just ended. */
  hasEnded(now: number): boolean {
    const isLate = now - this.#lookedAt > this.#everyMs + LATE_MS;
    this.#lookedAt = now;
    return isLate;
  }
}
