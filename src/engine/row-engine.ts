/**
 * What every engine is: items in, rows out.
 *
 * Owns: the interface that the engine process serves and each engine implements. An item that
 * cannot be computed is a failure in the result; `run` rejects only where the engine itself broke.
 */
import type { z } from "zod";
import { messageOf, RaysidueError } from "../base/errors.ts";
import type { EngineOpening, MicroBatchResult } from "../rpc/engine-codec.ts";

export interface RowEngine {
  /** One line for logs: model, threads, memory. */
  readonly description: string;
  /** Largest micro-batch that is useful and fits the memory, in tokens. */
  readonly tokensMax: number;
  /** Largest item that fits, in tokens; 0: it is judged when it comes. */
  readonly itemTokensMax: number;
  /** Rows of `items` in their order. One call at a time. */
  run(items: readonly Uint8Array[]): Promise<MicroBatchResult>;
  close(): Promise<void>;
}

/** Opens an engine, or throws a RaysidueError that says why it cannot serve `opening`. */
export type OpenEngine = (opening: EngineOpening) => Promise<RowEngine>;

/** Reads an engine's options. Throws RaysidueError "usage" that names the one it does not know. */
export function parseOptions<T>(schema: z.ZodType<T>, { engine, options }: EngineOpening): T {
  try {
    return schema.parse(options === "" ? {} : JSON.parse(options));
  } catch (thrown) {
    const said = `options of engine ${engine}: ${messageOf(thrown)}`;
    throw new RaysidueError("usage", said, { cause: thrown });
  }
}
