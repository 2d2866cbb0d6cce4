/**
 * Typed duplex streams: grpc-js streams iterate as `any` and signal back-pressure by events.
 *
 * Owns: writing with back-pressure and reading as an async iterable, for client and server streams
 * alike. Invariant: after `end`, `cancel` or an error nothing is written.
 */
import type { Duplex } from "node:stream";
import { fromStatus } from "./status.ts";

/** What a client's and a server's stream have in common. */
export interface RawStream {
  write(message: unknown): boolean;
  end(): unknown;
  on(event: string, listener: (...args: never[]) => void): unknown;
  once(event: string, listener: (...args: never[]) => void): unknown;
  cancel?(): void;
}

export class MessageStream<In, Out> {
  readonly #raw: RawStream;
  readonly #what: string;
  #open = true;
  #drained: Promise<void> | undefined;
  #release: (() => void) | undefined;

  /** `what` names the other side in errors: "scheduler at 127.0.0.1:7070". */
  constructor(raw: RawStream, what: string) {
    this.#raw = raw;
    this.#what = what;
    const close = () => {
      this.#open = false;
      this.#release?.();
    };
    // An error that nobody iterates over must not end the process; iteration reports it.
    raw.on("error", close);
    raw.on("close", close);
    raw.on("cancelled", close);
    raw.on("drain", () => this.#release?.());
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Sends without waiting. Returns false where the buffer is full: await `ready()` before more. */
  send(message: Out): boolean {
    if (!this.#open) return false;
    if (this.#raw.write(message)) return true;
    this.#drained ??= new Promise<void>((resolve) => {
      this.#release = () => {
        this.#drained = undefined;
        this.#release = undefined;
        resolve();
      };
    });
    return false;
  }

  /** Resolves when there is room for more, or the stream is closed. */
  async ready(): Promise<void> {
    await this.#drained;
  }

  end(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#raw.end();
  }

  cancel(): void {
    this.#open = false;
    this.#release?.();
    this.#raw.cancel?.();
  }

  /** The other side's messages, in order. Throws a RaysidueError where the stream breaks. */
  async *messages(): AsyncGenerator<In> {
    try {
      for await (const message of this.#raw as unknown as Duplex) yield message as In;
    } catch (thrown) {
      throw fromStatus(thrown, this.#what);
    }
  }
}
