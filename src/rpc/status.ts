/**
 * gRPC statuses <-> error codes, in one table.
 */
import { status } from "@grpc/grpc-js";
import { type ErrorCode, messageOf, RaysidueError } from "../base/errors.ts";

const STATUS_OF_CODE = {
  usage: status.INVALID_ARGUMENT,
  "bad-input": status.FAILED_PRECONDITION,
  unavailable: status.UNIMPLEMENTED,
  "try-again": status.UNAVAILABLE,
  unauthenticated: status.UNAUTHENTICATED,
  cancelled: status.CANCELLED,
  internal: status.INTERNAL,
} as const satisfies Record<ErrorCode, status>;

const CODE_OF_STATUS = new Map<number, ErrorCode>([
  ...Object.entries(STATUS_OF_CODE).map(([code, value]) => [value, code as ErrorCode] as const),
  [status.DEADLINE_EXCEEDED, "try-again"],
  [status.RESOURCE_EXHAUSTED, "try-again"],
  [status.ABORTED, "try-again"],
  [status.NOT_FOUND, "bad-input"],
  [status.OUT_OF_RANGE, "bad-input"],
]);

/** What to reply to a call that failed with `thrown`. */
export function toStatus(thrown: unknown): { code: status; details: string } {
  const code = thrown instanceof RaysidueError ? thrown.code : "internal";
  return { code: STATUS_OF_CODE[code], details: messageOf(thrown) };
}

/** The error behind a failed call to `peer` ("scheduler at 127.0.0.1:7070"). */
export function fromStatus(thrown: unknown, peer: string): RaysidueError {
  if (thrown instanceof RaysidueError) return thrown;
  const { code, details } = thrown as { code?: unknown; details?: unknown };
  const ours = typeof code === "number" ? CODE_OF_STATUS.get(code) : undefined;
  const text = typeof details === "string" && details !== "" ? details : messageOf(thrown);
  return new RaysidueError(ours ?? "internal", `${peer}: ${text}`, { cause: thrown });
}
