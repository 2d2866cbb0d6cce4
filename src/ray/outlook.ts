/**
 * Whether a fleet can go on: daemons live, or some may still come.
 *
 * Owns: how long a run without a worker waits, and what is said when it is given up. Invariant: as
 * long as the scheduler counts a worker nothing is given up. What runs meanwhile is known from the
 * scheduler, not from Ray: daemons outlive the head's GCS, and Ray learns late of their death.
 */
import { Deferred } from "../base/deferred.ts";
import { RaysidueError } from "../base/errors.ts";
import { NODE_WAIT_SECONDS } from "./fleet-size.ts";

/** Out of reach: a head that is started again is back sooner, a cluster that ended is not. */
const SILENT_MS = 30_000;

export class Outlook {
  readonly #onNotice: (text: string) => void;
  readonly #lost = new Deferred<never>();
  /** As the scheduler counted them last; undefined before the first run. */
  #workers: number | undefined;
  #noneSince: number | undefined;
  #closed: string | undefined;

  constructor(onNotice: (text: string) => void) {
    this.#onNotice = onNotice;
  }

  /** Rejects with RaysidueError "try-again" when no worker is left and none can come. */
  get lost(): Promise<never> {
    return this.#lost.promise;
  }

  /** What the scheduler counts. */
  count(workers: number): void {
    this.#workers = workers;
  }

  /** From now on no node can be given a daemon; told once. `why`: what happened. */
  close(why: string): void {
    if (this.#closed === undefined && this.#workers !== undefined) {
      this.#onNotice(`no more nodes can be given a daemon: ${why}`);
    }
    this.#closed ??= why;
  }

  /** To be called now and then. `nowMs`: of any clock that only goes on. */
  look({ nowMs, isOutOfReach }: { readonly nowMs: number; readonly isOutOfReach: boolean }): void {
    if (this.#workers !== 0) {
      this.#noneSince = undefined;
      return;
    }
    this.#noneSince ??= nowMs;
    const why = isOutOfReach ? "the Ray cluster is out of reach" : this.#closed;
    const limitMs = why === undefined ? 1000 * NODE_WAIT_SECONDS : SILENT_MS;
    if (nowMs - this.#noneSince < limitMs) return;
    const reason = why ?? `none came within ${NODE_WAIT_SECONDS / 60} minutes`;
    const text = `no worker is left: ${reason}; what is done is kept, the same command resumes`;
    this.#lost.reject(new RaysidueError("try-again", text));
  }
}
