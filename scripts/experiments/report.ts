/**
 * What every experiment leaves behind: a table (Markdown), its numbers (JSON) and a plot (SVG).
 *
 * Owns: the files under docs/experiments and the line that says how they were made. Invariant: a
 * figure stands beside its command, machine, load and date; numbers are written only by the run
 * that measured them.
 */
import { mkdir } from "node:fs/promises";
import os from "node:os";
import { join } from "node:path";
import { writeFileAtomically } from "../../src/base/files.ts";
import { shownArguments } from "../bench/report.ts";

const FOLDER = "docs/experiments";

export interface Report {
  /** File name without its ending. */
  readonly name: string;
  readonly title: string;
  /** What was measured and what was not real, one paragraph an entry. */
  readonly paragraphs: readonly string[];
  readonly tables: readonly Table[];
  /** Goes into the JSON file beside the circumstances. */
  readonly data: object;
  readonly svg?: string;
}

export interface Table {
  readonly heading?: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

/** The machine's load when the experiment began; take it before the first run. */
export class Circumstances {
  readonly #startedAt = new Date();
  readonly #loadBefore = os.loadavg()[0]!;

  describe(name: string) {
    return {
      command: ["node", `dist/scripts/experiments/${name}.js`, ...shownArguments()].join(" "),
      machine: `${os.cpus()[0]?.model ?? "unknown CPU"}, ${os.availableParallelism()} cores, Node ${process.versions.node}`,
      date: this.#startedAt.toISOString().slice(0, 10),
      seconds: Math.round((Date.now() - this.#startedAt.getTime()) / 1000),
      load_before: this.#loadBefore,
      load_after: os.loadavg()[0]!,
    };
  }
}

/** Writes the report's files and prints the Markdown. */
export async function writeReport(report: Report, circumstances: Circumstances): Promise<void> {
  const { name, title, paragraphs, tables, data, svg } = report;
  const made = circumstances.describe(name);
  const text = [
    `# ${title}`,
    `Made by \`${made.command}\` on ${made.date} in ${made.seconds} s: ${made.machine}; ` +
      `load average ${made.load_before.toFixed(1)} before, ${made.load_after.toFixed(1)} after.`,
    ...paragraphs,
    ...tables.map(tableText),
    ...(svg === undefined ? [] : [`![${title}](${name}.svg)`]),
  ].join("\n\n");
  await mkdir(FOLDER, { recursive: true });
  const path = (ending: string) => join(FOLDER, `${name}.${ending}`);
  await writeFileAtomically(path("md"), `${text}\n`);
  await writeFileAtomically(
    path("json"),
    `${JSON.stringify({ ...made, ...data }, undefined, 2)}\n`,
  );
  if (svg !== undefined) await writeFileAtomically(path("svg"), svg);
  process.stdout.write(`${text}\n`);
}

function tableText({ heading, columns, rows }: Table): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(" | ")} |`;
  const table = [line(columns), `|${"---|".repeat(columns.length)}`, ...rows.map(line)];
  return (heading === undefined ? table : [`## ${heading}`, "", ...table]).join("\n");
}

/** The middle one; of an even number the mean of the two. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The value below which `share` of all lie. NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
