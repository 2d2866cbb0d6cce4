/**
 * Whether a Ray cluster answers: what is asked of it, with a limit, and said when that changes.
 *
 * A head that hangs or is gone may never answer, while agents on other nodes still do. Owns: the
 * limit and the two notices, of one thing that is asked.
 */
import { setTimeout as delay } from "node:timers/promises";
import { messageOf, RaysidueError } from "../base/errors.ts";

/** What Ray answers from its tables takes milliseconds, on a busy head seconds. */
const SILENT_MS = 10_000;

export class Silence {
  readonly #what: string;
  readonly #onNotice: (text: string) => void;
  #isSilent = false;

  /** `what` is asked, for people: "the Ray cluster". */
  constructor(what: string, onNotice: (text: string) => void) {
    this.#what = what;
    this.#onNotice = onNotice;
  }

  /** The last question had no answer. */
  get isSilent(): boolean {
    return this.#isSilent;
  }

  /** The answer, due within `seconds` of its own; undefined where there is none or `signal` aborts. */
  async ask<T>(
    question: () => Promise<T>,
    { seconds = 0, signal }: { readonly seconds?: number; readonly signal: AbortSignal },
  ): Promise<T | undefined> {
    const over = new AbortController();
    const ms = seconds * 1000 + SILENT_MS;
    const late = delay(ms, undefined, { signal: over.signal, ref: false }).then(() => {
      throw new RaysidueError("try-again", `no answer for ${ms / 1000} s`);
    });
    late.catch(() => {});
    const left = new Promise<undefined>((resolve) => {
      if (signal.aborted) resolve(undefined);
      signal.addEventListener("abort", () => resolve(undefined), { signal: over.signal });
    });
    try {
      const asked = question();
      asked.catch(() => {});
      const answer = await Promise.race([asked, late, left]);
      if (this.#isSilent && !signal.aborted) this.#onNotice(`${this.#what} is reached again`);
      this.#isSilent &&= signal.aborted;
      return answer;
    } catch (thrown) {
      if (!this.#isSilent && !signal.aborted) {
        this.#onNotice(`${this.#what} is out of reach, daemons go on: ${messageOf(thrown)}`);
      }
      this.#isSilent = true;
      return undefined;
    } finally {
      over.abort();
    }
  }
}
