/**
 * A client of the scheduler made from the published .proto files alone, with none of our code.
 *
 * Owns: loading them and typing the little of grpc-js's dynamic clients that tests use.
 */
import { join } from "node:path";
import {
  type ClientDuplexStream,
  credentials,
  loadPackageDefinition,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { REPOSITORY } from "./sandbox.ts";

export type RawMessage = Readonly<Record<string, unknown>>;
type RawStream = ClientDuplexStream<RawMessage, RawMessage>;

interface RawScheduler {
  drive(metadata: Metadata): RawStream;
  work(metadata: Metadata): RawStream;
  status(
    request: RawMessage,
    metadata: Metadata,
    reply: (error: ServiceError | null, value: RawMessage) => void,
  ): void;
  close(): void;
}

/** One stream: what has arrived so far and how it ended. */
export class RawCall {
  readonly stream: RawStream;
  readonly received: RawMessage[] = [];
  /** Status code and details; undefined while it is open. */
  ended: { readonly code: number; readonly details: string } | undefined;

  constructor(stream: RawStream) {
    this.stream = stream;
    stream.on("data", (message: RawMessage) => this.received.push(message));
    stream.on("error", () => {});
    stream.on("status", ({ code, details }) => {
      this.ended = { code, details };
    });
  }

  send(message: RawMessage): void {
    this.stream.write(message);
  }

  /** The first message of a kind, e.g. "registered". */
  first(kind: string): RawMessage | undefined {
    return this.received.find((message) => kind in message)?.[kind] as RawMessage | undefined;
  }
}

export class RawClient implements Disposable {
  readonly #client: RawScheduler;
  readonly #metadata = new Metadata();

  constructor(address: string, token: string) {
    const definition = loadSync("raysidue/v1/scheduler.proto", {
      includeDirs: [join(REPOSITORY, "proto")],
      keepCase: true,
      longs: Number,
      // `oneof` members that are not set are absent.
      oneofs: true,
    });
    const root = loadPackageDefinition(definition) as unknown as {
      raysidue: { v1: { Scheduler: new (address: string, channel: unknown) => RawScheduler } };
    };
    const { Scheduler } = root.raysidue.v1;
    this.#client = new Scheduler(address.replace("grpc://", ""), credentials.createInsecure());
    this.#metadata.set("authorization", `Bearer ${token}`);
  }

  drive(): RawCall {
    return new RawCall(this.#client.drive(this.#metadata));
  }

  work(): RawCall {
    return new RawCall(this.#client.work(this.#metadata));
  }

  status(): Promise<RawMessage> {
    return new Promise((resolve, reject) => {
      this.#client.status({}, this.#metadata, (error, value) => {
        if (error === null) resolve(value);
        else reject(error);
      });
    });
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}
