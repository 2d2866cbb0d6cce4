/**
 * Notices that something has had nothing to do for a given time.
 *
 * Owns: the clock. What is shorter than the time between two looks has to be told (`touch`).
 */
import { performance } from "node:perf_hooks";

const LOOK_MS = 250;

export class IdleWatch {
  readonly #isIdle: () => boolean;
  #busyAt = performance.now();
  #timer: NodeJS.Timeout | undefined;

  constructor(isIdle: () => boolean) {
    this.#isIdle = isIdle;
  }

  /** Calls `onIdle` once, when nothing was done for `idleMaxMs` from now on. */
  start(idleMaxMs: number, onIdle: () => void): void {
    this.#busyAt = performance.now();
    const look = () => {
      if (!this.#isIdle()) this.touch();
      if (performance.now() - this.#busyAt < idleMaxMs) return;
      this.stop();
      onIdle();
    };
    this.#timer = setInterval(look, Math.min(LOOK_MS, Math.max(10, idleMaxMs / 4)));
    this.#timer.unref();
  }

  /** Something is being done now. */
  touch(): void {
    this.#busyAt = performance.now();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
