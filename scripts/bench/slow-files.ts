/**
 * Files that answer late, for measurements of reading ahead.
 *
 * Owns: the delay. Each look at a file waits once, each reading twice, for its opening and for its
 * bytes, as a network file system would; the bytes are the machine's own files'.
 */
import { setTimeout as delay } from "node:timers/promises";
import { DISK, type FileSource } from "../../src/formats/text/file-source.ts";

export class SlowFiles implements FileSource {
  readonly #delayMs: number;
  /** What was waited for in all, were it one after the other. */
  waitedMs = 0;

  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  async stat(path: string) {
    await this.#wait(1);
    return DISK.stat(path);
  }

  async read(path: string) {
    await this.#wait(2);
    return DISK.read(path);
  }

  async #wait(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      const startedAt = performance.now();
      await delay(this.#delayMs);
      // A timer that comes late while the processor works is no waiting for the network.
      this.waitedMs += Math.min(this.#delayMs, performance.now() - startedAt);
    }
  }
}
