/**
 * Why a record of a finished run was computed where and when, and what a device did, in words.
 *
 * Owns: the telling from an output folder: index.tsv, the leases beside it, trace.tsv. Needs no
 * scheduler, and reads the tables as streams. Deliberately not here: runs that still go on, of
 * which the scheduler tells (scheduler/core/explain.ts).
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { RaysidueError } from "../../base/errors.ts";
import { readTsv } from "../../formats/table/tsv.ts";
import { OUTCOMES, REASONS } from "../../scheduler/core/explain.ts";
import { RecordFile } from "../../store/record-file.ts";
import { TRACE_COLUMNS } from "../run/trace.ts";
import { leasesPathIn } from "./output-folder.ts";
import { INDEX_COLUMNS, LEASE_BYTES } from "./result-output.ts";

type Row<C extends string> = Readonly<Record<C, string>>;
type TraceRow = Row<(typeof TRACE_COLUMNS)[number]>;
type IndexRow = Row<(typeof INDEX_COLUMNS)[number]>;

/** Gaps between batches that are worth a sentence, in seconds; the longest are told. */
const IDLE_MIN = 0.05;
const IDLES_MAX = 8;

/**
 * Sentences about a record (its id), a device (its name, or WORKER/NAME), or every device. Throws
 * RaysidueError "bad-input" where the folder holds no finished run or nothing is called so.
 */
export async function explainOutput(folder: string, subject = ""): Promise<readonly string[]> {
  if (!existsSync(join(folder, "run.json"))) {
    const advice = "ask the scheduler while it runs: raysidue run explain RUN --address URL";
    throw new RaysidueError("bad-input", `${folder} holds no finished run; ${advice}`);
  }
  const found = subject === "" ? [] : await recordsCalled(folder, subject);
  if (found.length > 0) return (await storiesOf(folder, found)).flat();
  const attempts = await traceOf(folder);
  const devices = grouped(attempts, deviceOf);
  const asked = [...devices].filter(
    ([name, [first]]) => subject === "" || name === subject || first!.device === subject,
  );
  if (asked.length > 0) return asked.flatMap(([name, own]) => deviceStory(name, own, attempts));
  const known = [...devices.keys()].join(", ") || "none, nothing was computed";
  if (subject === "") return [`No device ran for this run: every result was known before it.`];
  throw new RaysidueError("bad-input", `no record or device "${subject}"; devices: ${known}`);
}

interface FoundRecord {
  readonly record: IndexRow;
  readonly lease: number;
}

async function recordsCalled(folder: string, id: string): Promise<FoundRecord[]> {
  const path = leasesPathIn(folder);
  const leases = existsSync(path) ? RecordFile.open(path, LEASE_BYTES) : undefined;
  const found: FoundRecord[] = [];
  let line = 0;
  try {
    for await (const record of rowsOf(join(folder, "index.tsv"), INDEX_COLUMNS)) {
      if (record.id === id) found.push({ record, lease: leases?.read(line).readDoubleLE() ?? 0 });
      line++;
    }
  } finally {
    leases?.discard();
  }
  return found;
}

async function storiesOf(folder: string, found: readonly FoundRecord[]): Promise<string[][]> {
  const wanted = new Set(found.map(({ lease }) => String(lease)));
  const attempts = (await traceOf(folder)).filter(({ lease }) => wanted.has(lease));
  return found.map(({ record, lease }) => {
    const { id, row, length, sha256, status, note } = record;
    const where = row === "" ? "has no row" : `is row ${row}`;
    const lines = [`${id} ${where}: ${status}, ${length} residues, SHA-256 ${sha256 || "none"}.`];
    if (note !== "") lines.push(`Note: ${note}.`);
    if (row === "") return lines;
    if (lease === 0) {
      lines.push("This run computed nothing for it: an earlier run or the cache had the result.");
      return lines;
    }
    // Numbers begin again on a scheduler that was started again: the last such lease counts.
    const own = attempts.findLast((attempt) => Number(attempt.lease) === lease);
    lines.push(own === undefined ? `Lease ${lease}, which the trace lacks.` : attemptLine(own));
    return lines;
  });
}

function attemptLine(attempt: TraceRow): string {
  const { lease, tasks, tokens, assigned_at: from, finished_at: to, busy_seconds: busy } = attempt;
  const reason = (REASONS as Readonly<Record<string, string>>)[attempt.reason] ?? attempt.reason;
  const outcome = (OUTCOMES as Readonly<Record<string, string>>)[attempt.outcome] ?? "";
  const what = `with ${tasks} tasks of ${tokens} tokens in all`;
  const when = `from ${Number(from).toFixed(2)} s to ${Number(to).toFixed(2)} s`;
  const ran = `${Number(busy).toFixed(2)} s of it in the engine`;
  return `Lease ${lease} on ${deviceOf(attempt)}, ${what}, ${when}, ${ran}: ${reason}; ${outcome}.`;
}

function deviceStory(name: string, own: readonly TraceRow[], all: readonly TraceRow[]): string[] {
  const sum = (of: (row: TraceRow) => string) => own.reduce((total, row) => total + +of(row), 0);
  const busy = sum((row) => row.busy_seconds);
  const tokens = sum((row) => row.tokens);
  const speed = busy > 0 ? `, ${Math.round(tokens / busy)} tokens/s` : "";
  const lines = [
    `${name} worked off ${own.length} leases, ${sum((row) => row.tasks)} tasks, ` +
      `in ${busy.toFixed(2)} s${speed}.`,
  ];
  for (const [outcome, rows] of grouped(own, (row) => row.outcome)) {
    if (outcome === "committed") continue;
    const told = (OUTCOMES as Readonly<Record<string, string>>)[outcome] ?? outcome;
    lines.push(`${rows.length} of its leases: ${told}.`);
  }
  // A lease waits behind the one before it: the device works from the first start to the last end.
  const spans = own
    .filter((row) => +row.busy_seconds > 0)
    .map((row) => ({ from: +row.finished_at - +row.busy_seconds, to: +row.finished_at }))
    .sort((a, b) => a.from - b.from);
  const end = Math.max(...all.map((row) => +row.finished_at));
  const idles: { from: number; seconds: number; when: string }[] = [];
  let free = 0;
  for (const { from, to } of spans) {
    const when = free === 0 ? "before its first batch" : "between batches";
    idles.push({ from: free, seconds: from - free, when });
    free = Math.max(free, to);
  }
  idles.push({ from: free, seconds: end - free, when: "after its last batch: no work was left" });
  const told = idles.filter(({ seconds }) => seconds >= IDLE_MIN);
  const longest = told.toSorted((a, b) => b.seconds - a.seconds).slice(0, IDLES_MAX);
  for (const { from, seconds, when } of longest.toSorted((a, b) => a.from - b.from)) {
    lines.push(`It idled ${seconds.toFixed(2)} s from ${from.toFixed(2)} s, ${when}.`);
  }
  const rest = told.length - longest.length;
  if (rest > 0) lines.push(`It idled ${rest} times more, for shorter.`);
  return lines;
}

const deviceOf = ({ worker, device }: TraceRow): string => `${worker}/${device}`;

async function traceOf(folder: string): Promise<TraceRow[]> {
  const path = join(folder, "trace.tsv");
  if (!existsSync(path)) return [];
  const rows: TraceRow[] = [];
  for await (const row of rowsOf(path, TRACE_COLUMNS)) rows.push(row);
  return rows;
}

function grouped<T>(items: readonly T[], of: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(of(item));
    if (group === undefined) groups.set(of(item), [item]);
    else group.push(item);
  }
  return groups;
}

async function* rowsOf<C extends string>(
  path: string,
  columns: readonly C[],
): AsyncGenerator<Row<C>> {
  for await (const rows of readTsv(path, columns)) {
    for (const row of rows) {
      yield Object.fromEntries(columns.map((name, i) => [name, row[i]!])) as Row<C>;
    }
  }
}
