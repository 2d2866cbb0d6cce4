/**
 * What the operations inside a Ray cluster answer, as JSON, into the project's own types.
 *
 * Owns: the schemas, and the error that an answer may be. The sender is our own code, but of
 * another version perhaps: what does not fit is an error, not a guess.
 */
import { z } from "zod";
import { ERROR_CODES, messageOf, RaysidueError } from "../base/errors.ts";
import { DAEMON_STATES } from "../rpc/bridge-messages.ts";

export const nodesSchema = z.object({
  nodes: z.array(
    z.object({
      nodeId: z.string(),
      address: z.string(),
      hostname: z.string(),
      isAlive: z.boolean(),
      isHead: z.boolean(),
      cpus: z.number(),
      gpus: z.number(),
      memoryBytes: z.number(),
    }),
  ),
});

/** Proto3's JSON leaves out what is empty. */
export const statusSchema = z.object({
  name: z.string(),
  fleet: z.string(),
  role: z.string(),
  nodeId: z.string(),
  version: z.number().default(0),
  state: z.enum(DAEMON_STATES),
  reason: z.string().default(""),
  line: z.string().default(""),
  missing: z.array(z.string()).default([]),
  pid: z.number().default(0),
  restarts: z.number().default(0),
  exitCode: z.number().default(0),
  exitSignal: z.string().default(""),
  logTail: z.string().default(""),
  hostname: z.string().default(""),
  platform: z.string().default(""),
  architecture: z.string().default(""),
  glibc: z.string().default(""),
  niceness: z.number().default(0),
});
export const statusesSchema = z.object({ daemons: z.array(statusSchema).default([]) });
export const digestsSchema = z.object({ digests: z.array(z.string()).default([]) });
export const heldSchema = z.object({ isHeld: z.boolean().default(false) });
export const runFilePieceSchema = z.object({
  data: z.string().default(""),
  sizeBytes: z.number().default(0),
});
export const emptySchema = z.object({});

const failureSchema = z.object({
  error: z.object({ code: z.string(), message: z.string() }),
});

/** Throws the RaysidueError that the answer is, or "internal" where it is none of ours. */
export function readAnswer<T>(text: unknown, schema: z.ZodType<T>, where: string): T {
  let json: unknown;
  try {
    json = JSON.parse(String(text));
  } catch (thrown) {
    throw new RaysidueError("internal", `${where}: an answer that is no JSON`, { cause: thrown });
  }
  const failure = failureSchema.safeParse(json);
  if (failure.success) {
    const { code, message } = failure.data.error;
    const known = ERROR_CODES.find((each) => each === code) ?? "internal";
    throw new RaysidueError(known, `${where}: ${message}`);
  }
  const answer = schema.safeParse(json);
  if (answer.success) return answer.data;
  throw new RaysidueError("internal", `${where}: not understood: ${messageOf(answer.error)}`);
}
