/**
 * Typed duplex streams: grpc-js streams iterate as `any` and signal back-pressure by events.
 *
 * Owns: encoding and decoding, writing with back-pressure and reading as an async iterable, for
 * client and server streams alike. Invariant: after `end`, `break` or an error nothing is written,
 * and the other side learns of it: a server's stream is never destroyed here, since grpc-js sends
 * no status for a destroyed one and the client would wait for ever.
 */
import { Deferred } from "../base/deferred.ts";
import { RaysidueError } from "../base/errors.ts";
import { fromStatus, toStatus } from "./status.ts";

/** What a client's and a server's stream have in common. */
export interface RawStream {
  write(message: never): boolean;
  read(): unknown;
  end(): unknown;
  on(event: string, listener: (value?: unknown) => void): unknown;
  emit(event: string, value: unknown): unknown;
  /** A client's streams only. */
  cancel?(): void;
}

export interface StreamCodec<In, Out> {
  decode(wire: never): In;
  encode(message: Out): unknown;
}

export class MessageStream<In, Out> {
  readonly #raw: RawStream;
  readonly #what: string;
  readonly #codec: StreamCodec<In, Out>;
  #open = true;
  #drained: Promise<void> | undefined;
  #release: (() => void) | undefined;
  #readable = new Deferred<void>();
  #end: "ended" | "closed" | { readonly failure: unknown } | undefined;

  /** `what` names the other side in errors: "scheduler at 127.0.0.1:7470". */
  constructor(raw: RawStream, what: string, codec: StreamCodec<In, Out>) {
    this.#raw = raw;
    this.#what = what;
    this.#codec = codec;
    const close = () => {
      this.#open = false;
      this.#release?.();
    };
    const stop = (end: "ended" | "closed" | { readonly failure: unknown }) => {
      this.#end ??= end;
      this.#readable.resolve();
    };
    raw.on("readable", () => this.#readable.resolve());
    raw.on("end", () => stop("ended"));
    // An error that nobody iterates over must not end the process; iteration reports it.
    raw.on("error", (failure) => {
      close();
      stop({ failure });
    });
    for (const event of ["close", "cancelled"]) {
      raw.on(event, () => {
        close();
        stop("closed");
      });
    }
    raw.on("drain", () => this.#release?.());
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Sends without waiting. Returns false where the buffer is full: await `ready()` before more. */
  send(message: Out): boolean {
    if (!this.#open) return false;
    if (this.#raw.write(this.#codec.encode(message) as never)) return true;
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

  /** No more from this side. On a server the call ends when its handler returns instead. */
  end(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#raw.end();
  }

  /** Breaks the call off: a client's is cancelled, a server's ends with `reason` as its status. */
  break(reason: RaysidueError): void {
    this.#open = false;
    this.#release?.();
    if (this.#raw.cancel !== undefined) this.#raw.cancel();
    else this.#raw.emit("error", Object.assign(new Error(reason.message), toStatus(reason)));
  }

  /**
   * The other side's messages, in order. Throws a RaysidueError where the stream breaks. A client
   * that stops reading before the end breaks the call off.
   */
  async *messages(): AsyncGenerator<In> {
    try {
      for (;;) {
        this.#readable = new Deferred();
        const wire = this.#raw.read();
        if (wire !== null) yield this.#codec.decode(wire as never);
        else if (this.#end === undefined) await this.#readable.promise;
        else if (this.#end === "ended") return;
        else throw this.#failure(this.#end);
      }
    } finally {
      if (this.#end === undefined) this.#raw.cancel?.();
    }
  }

  #failure(end: "closed" | { readonly failure: unknown }): RaysidueError {
    if (end !== "closed") return fromStatus(end.failure, this.#what);
    return new RaysidueError("try-again", `${this.#what}: the connection was closed`);
  }
}
