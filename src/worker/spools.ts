/**
 * Where this worker keeps the rows of runs whose own folder it does not reach.
 *
 * Owns: one folder a run, and its end: a driver fetches rows while its run goes on and for some time
 * after it, so a closed run's folder goes when nobody has read it for `keepMs`. Invariant: a worker
 * that lives for months holds the rows of its latest runs only.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";

const KEEP_MS = 60 * 60 * 1000;

export class Spools {
  readonly #root: string;
  readonly #keepMs: number;
  readonly #expiries = new Map<string, NodeJS.Timeout>();

  constructor(root: string, keepMs = KEEP_MS) {
    this.#root = root;
    this.#keepMs = keepMs;
  }

  /** The folder of an open run. */
  open(runId: string): string {
    clearTimeout(this.#expiries.get(runId));
    this.#expiries.delete(runId);
    return this.#folder(runId);
  }

  /** The folder of a run that may be closed; reading it puts its end off. */
  read(runId: string): string {
    this.#expiries.get(runId)?.refresh();
    return this.#folder(runId);
  }

  /** The run is closed here: from now on its rows are only read. */
  expire(runId: string): void {
    const remove = () => {
      this.#expiries.delete(runId);
      void rm(this.#folder(runId), { recursive: true, force: true });
    };
    clearTimeout(this.#expiries.get(runId));
    this.#expiries.set(runId, setTimeout(remove, this.#keepMs).unref());
  }

  async close(): Promise<void> {
    for (const timer of this.#expiries.values()) clearTimeout(timer);
    await rm(this.#root, { recursive: true, force: true });
  }

  /** A run's id comes from outside: it never is a path. */
  #folder(runId: string): string {
    return join(this.#root, Buffer.from(runId).toString("hex").slice(0, 64));
  }
}
