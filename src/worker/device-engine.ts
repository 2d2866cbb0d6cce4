/**
 * An engine on a device, kept alive.
 *
 * Owns: starting an engine process and starting it again after a crash. Invariant: at most one
 * process at a time; after RESTARTS_MAX crashes in a row it stays down and says why. A run that
 * completes clears the count.
 */
import { setTimeout as delay } from "node:timers/promises";
import { messageOf, RaysidueError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { type EngineHandle, type EngineSpec, startEngine } from "../engine/host/engine-host.ts";
import type { MicroBatchResult } from "../rpc/engine-codec.ts";

/** A model or an item that kills its engine thrice in a row will do so again. */
const RESTARTS_MAX = 3;
const BACKOFF_MS = 500;

export class DeviceEngine {
  readonly #spec: EngineSpec;
  readonly #log: Log;
  readonly #onDown: (reason: string) => void;
  #handle: Promise<EngineHandle> | undefined;
  #crashesInARow = 0;
  #isClosed = false;
  #tokensMax = 1;
  #itemTokensMax = 0;

  /** `onDown` is called once, when the engine is given up. */
  constructor(spec: EngineSpec, log: Log, onDown: (reason: string) => void) {
    this.#spec = spec;
    this.#log = log;
    this.#onDown = onDown;
  }

  /** Largest micro-batch in padded tokens, known once started. */
  get tokensMax(): number {
    return this.#tokensMax;
  }

  /** Largest item that fits, in tokens; 0: not known. */
  get itemTokensMax(): number {
    return this.#itemTokensMax;
  }

  /** Starts the engine if it is not running. Throws what its start failed with. */
  async start(): Promise<void> {
    await this.#running();
  }

  /** Runs one micro-batch; throws a retryable RaysidueError where the engine died on the way. */
  async run(items: readonly Uint8Array[]): Promise<MicroBatchResult> {
    const handle = await this.#running();
    const result = await handle.run(items);
    this.#crashesInARow = 0;
    return result;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const handle = await this.#handle?.catch(() => undefined);
    await handle?.close();
  }

  #running(): Promise<EngineHandle> {
    if (this.#isClosed) throw new RaysidueError("unavailable", "the engine is closed");
    this.#handle ??= this.#start();
    return this.#handle;
  }

  async #start(): Promise<EngineHandle> {
    if (this.#crashesInARow > RESTARTS_MAX) {
      throw new RaysidueError("unavailable", `engine given up after ${RESTARTS_MAX} restarts`);
    }
    if (this.#crashesInARow > 0) await delay(BACKOFF_MS * this.#crashesInARow);
    const handle = await startEngine(this.#spec);
    this.#tokensMax = handle.tokensMax;
    this.#itemTokensMax = handle.itemTokensMax;
    void handle.exited.then((exit) => this.#crashed(exit));
    return handle;
  }

  #crashed(exit: { code: number | null; signal: string | null; logTail: string }): void {
    if (this.#isClosed) return;
    this.#handle = undefined;
    this.#crashesInARow++;
    const how = exit.signal ?? `exit code ${exit.code}`;
    this.#log.warn({ how, log: exit.logTail, crashes: this.#crashesInARow }, "engine died");
    if (this.#crashesInARow > RESTARTS_MAX) this.#onDown(`died ${how}: ${messageOf(exit.logTail)}`);
  }
}
