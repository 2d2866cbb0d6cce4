/**
 * trace.tsv: a row a batch attempt, in the order in which they ended.
 */
import type { AttemptRow } from "../../rpc/messages.ts";

export const TRACE_COLUMNS = [
  "lease",
  "worker",
  "device",
  "tasks",
  "tokens",
  "padded_tokens",
  "assigned_at",
  "finished_at",
  "busy_seconds",
  "outcome",
  "reason",
] as const;

/** A batch attempt as a row of trace.tsv; times in seconds since the run opened. */
export function traceRow(row: AttemptRow): (string | number)[] {
  const { lease, workerId, device, tasks, tokens, paddedTokens, outcome, reason } = row;
  const times = [row.assignedAt, row.finishedAt, row.busySeconds].map((value) => value.toFixed(4));
  return [lease, workerId, device, tasks, tokens, paddedTokens, ...times, outcome, reason];
}
