/**
 * Health checks of the poses that are read, on a sample.
 *
 * Owns: which poses are looked at, and what is said of them. Invariant: the first poses and then
 * one in so many are looked at, always the same ones, so that checks cost a hundredth of reading.
 */
import { RaysidueError } from "../../base/errors.ts";
import type { Structure } from "../../formats/structure/structure.ts";
import type { ChainChoice } from "../../science/chains.ts";
import { CURABLE, FINDINGS, type FindingCode, healthOf } from "../../science/health.ts";

export const CHECKS = ["off", "warn", "strict"] as const;
export type CheckMode = (typeof CHECKS)[number];

const FIRST = 50;
const ONE_IN = 100;

export class PoseCheck {
  readonly #mode: CheckMode;
  readonly #cures: boolean;
  readonly #found = new Map<FindingCode, { count: number; first: string }>();
  #seen = 0;
  #looked = 0;
  #refused = 0;
  #firstRefusal = "";

  constructor(mode: CheckMode, options: { readonly cures: boolean }) {
    this.#mode = mode;
    this.#cures = options.cures;
  }

  /** Looks at a pose if it is one of the sample. Throws RaysidueError where a chain is missing. */
  look(structure: Structure, choice: ChainChoice): void {
    const at = this.#seen++;
    if (this.#mode === "off" || (at >= FIRST && at % ONE_IN !== 0)) return;
    const codes = healthOf(structure, choice);
    this.#looked++;
    for (const code of codes) {
      const { source, line } = structure;
      const found = this.#found.get(code) ?? { count: 0, first: `${source}:${line}` };
      this.#found.set(code, { ...found, count: found.count + 1 });
    }
  }

  /** Takes note of a pose that is no pose; these all count. */
  refuse(message: string): void {
    this.#refused++;
    this.#firstRefusal ||= message;
  }

  /** What to tell, a line a finding. Throws RaysidueError "bad-input" for the first if strict. */
  report(): string[] {
    if (this.#mode === "off") return [];
    const said = [...this.#found].map(([code, { count, first }]) => {
      const which = `${count} of ${this.#looked} poses looked at, first ${first}`;
      return `check: ${code}: ${FINDINGS[code]} (${which})${this.#cureOf(code)}`;
    });
    if (this.#mode === "strict") this.#refuseAll(said);
    return said;
  }

  #cureOf(code: FindingCode): string {
    if (!CURABLE.includes(code)) return "";
    return this.#cures ? "; cured: left out" : "; --cure would leave them out";
  }

  #refuseAll(said: readonly string[]): void {
    const isLeft = (code: FindingCode) => !(this.#cures && CURABLE.includes(code));
    const ill = [...this.#found.keys()].findIndex(isLeft);
    if (ill < 0 && this.#refused === 0) return;
    const first =
      ill < 0 ? `${this.#refused} poses are refused, first: ${this.#firstRefusal}` : said[ill]!;
    const advice = "nothing was scored; mend the poses, or use --check warn";
    throw new RaysidueError("bad-input", `--check strict: ${first}; ${advice}`);
  }
}
