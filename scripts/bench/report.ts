/**
 * How a benchmark's parts are shown and kept: the screen, docs/benchmarks.md, and a JSON file.
 *
 * Owns: the layout of all three. Invariant: only the parts that ran are replaced; everything else
 * in the document stays, and so does what was measured of other parts.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import os from "node:os";
import { basename, dirname } from "node:path";

/** One requirement and what was measured. */
export interface Check {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** At least, or with `isMaximum` at most. */
  readonly target: number;
  readonly isMaximum?: boolean;
}

export interface Part {
  readonly title: string;
  /** One sentence each. */
  readonly notes: readonly string[];
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly checks: readonly Check[];
  /** Everything that was measured, for programs. */
  readonly figures: object;
}

/** When, where and how a part was measured. */
interface Circumstances {
  readonly date: string;
  readonly command: string;
  readonly commit: string;
  readonly machine: string;
  readonly node: string;
  /** Load averages of one minute, before and after. */
  readonly load: readonly [number, number];
}

function machine(): string {
  const cpus = os.cpus();
  const memory = `${Math.round(os.totalmem() / 2 ** 30)} GiB`;
  return `${cpus.length} cores of ${cpus[0]?.model.trim()}, ${memory}, Linux ${os.release()}`;
}

/** The commit that is checked out, with `+` where files differ from it. */
function commit(): string {
  try {
    const run = (...args: string[]) => execFileSync("git", args, { encoding: "utf8" }).trim();
    const isDirty = run("status", "--porcelain", "--", "src") !== "";
    return run("rev-parse", "--short", "HEAD") + (isDirty ? "+" : "");
  } catch {
    // Not a checkout.
    return "unknown";
  }
}

const isMet = ({ value, target, isMaximum }: Check) =>
  isMaximum === true ? value <= target : value >= target;

function formatCheck(check: Check): string {
  const { what, value, unit, target, isMaximum } = check;
  const digits = Math.abs(value) < 10 ? 2 : 1;
  // Three digits: a target in other units (1.5 GB in GiB) has endless ones.
  const limit = Number(target.toPrecision(3));
  const wanted = `${isMaximum === true ? "at most" : "at least"} ${limit}${unit}`;
  return `${isMet(check) ? "met" : "MISSED"}: ${what} ${value.toFixed(digits)}${unit} (${wanted})`;
}

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [columns, ...rows];
  const widths = columns.map((_, c) => Math.max(...all.map((row) => row[c]!.length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, c) => (c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!))).join(" | ")} |`;
  const rule = `|${widths.map((width, c) => (c === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`;
  return [line(columns), rule, ...rows.map(line)].join("\n");
}

/** A part as Markdown. */
function render(part: Part, where: Circumstances): string {
  const { title, notes, columns, rows, checks } = part;
  const [before, after] = where.load.map((load) => load.toFixed(1));
  return [
    `### ${title}`,
    ...(notes.length > 0 ? [notes.join(" ")] : []),
    table(columns, rows),
    checks.map((check) => `- ${formatCheck(check)}`).join("\n"),
    `\`${where.command}\` on ${where.date}, commit ${where.commit}, Node ${where.node}, ` +
      `${where.machine}; load ${before} before, ${after} after.`,
  ].join("\n\n");
}

const mark = (edge: "begin" | "end", name: string) => `<!-- ${edge} bench:embed ${name} -->`;

/** Puts `text` between the marks of part `name`, at the end where there are none yet. */
async function writeSection(path: string, name: string, text: string): Promise<void> {
  const old = existsSync(path) ? await readFile(path, "utf8") : "# Benchmarks\n";
  const section = `${mark("begin", name)}\n\n${text}\n\n${mark("end", name)}`;
  const start = old.indexOf(mark("begin", name));
  const end = old.indexOf(mark("end", name));
  const next =
    start < 0 || end < start
      ? `${old.trimEnd()}\n\n${section}\n`
      : old.slice(0, start) + section + old.slice(end + mark("end", name).length);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, next);
}

/** Keeps a part's figures in the JSON file, beside those of other parts. */
async function writeFigures(
  path: string,
  name: string,
  { part, where }: { readonly part: Part; readonly where: Circumstances },
): Promise<void> {
  const all = existsSync(path) ? JSON.parse(await readFile(path, "utf8")) : {};
  const checks = part.checks.map((check) => ({ ...check, isMet: isMet(check) }));
  const parts = { ...all.parts, [name]: { ...where, checks, ...part.figures } };
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${JSON.stringify({ schema_version: 1, parts }, rounded, 2)}\n`);
}

/** Six digits: more are noise. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(6)) : value;
}

/** What this program was given, without folders: where files lay is nobody's business. */
export function shownArguments(): string[] {
  return process.argv.slice(2).map((word) => (word.includes("/") ? basename(word) : word));
}

/** Where a part is kept; `isDryRun`: nowhere, it is printed only. */
export interface Kept {
  readonly document: string;
  readonly json: string;
  readonly isDryRun: boolean;
}

/**
 * Measures a part, prints it and keeps it: as `section` in the document, as `part` in the JSON.
 * `program`: what is typed before the arguments, `npm run bench:embed`.
 */
export async function publishPart(
  names: { readonly program: string; readonly section: string; readonly part: string },
  kept: Kept,
  measure: () => Promise<Part>,
): Promise<void> {
  const before = os.loadavg()[0]!;
  const part = await measure();
  const words = shownArguments();
  const dashes = names.program.startsWith("npm ") && words.length > 0 ? ["--"] : [];
  const where = {
    date: new Date().toISOString().slice(0, 16).replace("T", " "),
    command: [names.program, ...dashes, ...words].join(" "),
    commit: commit(),
    machine: machine(),
    node: process.versions.node,
    load: [before, os.loadavg()[0]!] as const,
  };
  const text = render(part, where);
  console.log(`\n${text}`);
  if (kept.isDryRun) return;
  await writeSection(kept.document, names.section, text);
  await writeFigures(kept.json, names.part, { part, where });
}
