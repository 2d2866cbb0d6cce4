/**
 * Health checks of the poses that are read, on a sample.
 *
 * Owns: which poses are looked at, and what is said of them. Invariant: the first poses and then
 * one in so many are looked at, always the same ones, so that checks cost a hundredth of reading.
 */
import { RaysidueError } from "../../base/errors.ts";
import { CURABLE, FINDINGS, type FindingCode } from "../../science/health.ts";

export const CHECKS = ["off", "warn", "strict"] as const;
export type CheckMode = (typeof CHECKS)[number];

const FIRST = 50;
const ONE_IN = 100;

/**
 * Whether a pose is one of the sample, by the place of its file and its own in it: whoever reads a
 * file need not know how many poses are before it.
 */
export function isLookedAt(file: number, pose: number): boolean {
  const isFirst = file + pose < FIRST && (file === 0 || pose === 0);
  return isFirst || (file + pose) % ONE_IN === 0;
}

export class PoseCheck {
  readonly #mode: CheckMode;
  readonly #cures: boolean;
  readonly #found = new Map<FindingCode, { count: number; first: string }>();
  #looked = 0;
  #refused = 0;
  #firstRefusal = "";

  constructor(mode: CheckMode, options: { readonly cures: boolean }) {
    this.#mode = mode;
    this.#cures = options.cures;
  }

  /** Whether there is a sample at all. */
  get looks(): boolean {
    return this.#mode !== "off";
  }

  /** Takes note of what a pose of the sample has; `where` is its file and line. */
  add(codes: readonly FindingCode[], where: string): void {
    this.#looked++;
    for (const code of codes) {
      const found = this.#found.get(code) ?? { count: 0, first: where };
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
