/**
 * What a thread of parse-pool.ts runs: one whole file at a time.
 *
 * Owns: the border between threads, over which errors go as data: a copy of one has no code.
 */
import { Readable } from "node:stream";
import { RaysidueError } from "../../base/errors.ts";
import { plainText } from "../../formats/text/text-source.ts";
import { type ParsedPose, type Parsing, parsePoses, recordsOf } from "./parse-poses.ts";

export interface ParseRequest extends Parsing {
  readonly file: string;
  /** As they stand in the file. */
  readonly bytes: Uint8Array;
  readonly position: number;
}

export type ParseReply =
  | { readonly poses: readonly ParsedPose[] }
  | { readonly error: Pick<RaysidueError, "code" | "message"> };

export async function parseFile(request: ParseRequest): Promise<ParseReply> {
  const { file, bytes } = request;
  const raw = () => Readable.from([bytes], { objectMode: false });
  const poses: ParsedPose[] = [];
  try {
    const records = recordsOf({ name: file, bytes: plainText(raw, file) });
    for await (const pose of parsePoses(records, file, request)) poses.push(pose);
    return { poses };
  } catch (thrown) {
    if (!(thrown instanceof RaysidueError)) throw thrown;
    return { error: { code: thrown.code, message: thrown.message } };
  }
}
