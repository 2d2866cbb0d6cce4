/**
 * A recorded run's trace.tsv, read back.
 *
 * Owns: the columns that a replay needs, by name, and their checks. Columns that are unknown here
 * are ignored: a later version may write more.
 */
import { RaysidueError } from "../base/errors.ts";

export interface RecordedAttempt {
  readonly worker: string;
  readonly device: string;
  readonly tasks: number;
  readonly tokens: number;
  readonly assignedAt: number;
  readonly finishedAt: number;
  readonly busySeconds: number;
  readonly outcome: string;
  readonly reason: string;
}

const COLUMNS = [
  "worker",
  "device",
  "tasks",
  "tokens",
  "assigned_at",
  "finished_at",
  "busy_seconds",
  "outcome",
  "reason",
] as const;

/** Parses a trace; `where` names it in errors. Throws RaysidueError "bad-input" with the line. */
export function parseTrace(text: string, where: string): RecordedAttempt[] {
  const lines = text.split(/\r?\n/);
  const header = (lines[0] ?? "").split("\t");
  const positions = new Map(COLUMNS.map((name) => [name, header.indexOf(name)] as const));
  for (const [name, position] of positions) {
    if (position >= 0) continue;
    throw new RaysidueError("bad-input", `${where}:1: no column "${name}"; is it a trace.tsv?`);
  }
  const attempts: RecordedAttempt[] = [];
  for (const [index, line] of lines.entries()) {
    if (index === 0 || line === "") continue;
    const fields = line.split("\t");
    const field = (name: (typeof COLUMNS)[number]) => fields[positions.get(name)!] ?? "";
    const number = (name: (typeof COLUMNS)[number]) => {
      const value = Number(field(name));
      if (field(name) !== "" && Number.isFinite(value) && value >= 0) return value;
      const what = `"${field(name)}" in column ${name} is not a number of 0 or more`;
      throw new RaysidueError("bad-input", `${where}:${index + 1}: ${what}`);
    };
    attempts.push({
      worker: field("worker"),
      device: field("device"),
      tasks: number("tasks"),
      tokens: number("tokens"),
      assignedAt: number("assigned_at"),
      finishedAt: number("finished_at"),
      busySeconds: number("busy_seconds"),
      outcome: field("outcome"),
      reason: field("reason"),
    });
  }
  if (attempts.length === 0) {
    throw new RaysidueError("bad-input", `${where}: no attempts; nothing to replay`);
  }
  return attempts;
}
