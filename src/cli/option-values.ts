/**
 * Values of options as people write them -> numbers. Errors say what would be understood.
 */
import { InvalidArgumentError } from "commander";

const BYTES: Record<string, number> = {
  "": 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
};

/** `512MB`, `4GiB`, `1e9` -> bytes. */
export function parseBytes(text: string): number {
  const match = /^\s*([0-9.]+(?:e\d+)?)\s*([kmgt]i?)?b?\s*$/i.exec(text);
  const bytes = Math.floor(Number(match?.[1]) * (BYTES[(match?.[2] ?? "").toLowerCase()] ?? NaN));
  if (!Number.isSafeInteger(bytes)) throw new InvalidArgumentError("write e.g. 512MB or 4GiB.");
  return bytes;
}

const SECONDS: Record<string, number> = { ms: 0.001, "": 1, s: 1, m: 60, h: 3600, d: 86_400 };

/** `90`, `90s`, `10m`, `500ms` -> seconds. */
export function parseSeconds(text: string): number {
  const match = /^\s*([0-9.]+)\s*(ms|s|m|h|d)?\s*$/.exec(text);
  const seconds = Number(match?.[1]) * (SECONDS[match?.[2] ?? ""] ?? NaN);
  if (!Number.isFinite(seconds)) throw new InvalidArgumentError("write e.g. 90s, 10m or 2h.");
  return seconds;
}

/** A whole number of at least `least`. */
export function parseCount(least: number): (text: string) => number {
  return (text) => {
    const count = Number(text);
    if (!Number.isSafeInteger(count) || count < least) {
      throw new InvalidArgumentError(`write a whole number of ${least} or more.`);
    }
    return count;
  };
}

/** A whole number of either sign. */
export function parseInteger(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("write a whole number.");
}

/** A share of something against others': any number above 0. */
export function parseShare(text: string): number {
  const share = Number(text);
  if (Number.isFinite(share) && share > 0) return share;
  throw new InvalidArgumentError("write a number above 0.");
}

/** A number from 0 to 1. */
export function parseFraction(text: string): number {
  const fraction = Number(text);
  if (text.trim() !== "" && fraction >= 0 && fraction <= 1) return fraction;
  throw new InvalidArgumentError("write a number from 0 to 1.");
}

/** Lists that come from the environment or a file: the command line replaces them. */
const replaceable = new WeakSet<readonly string[]>();

/** Marks a list as one that the command line replaces. */
export function asReplaceable<T>(value: T): T {
  if (Array.isArray(value)) replaceable.add(value);
  return value;
}

/** Collects the values of an option that may stand several times. */
export function collect(value: string, earlier: readonly string[] = []): string[] {
  return replaceable.has(earlier) ? [value] : [...earlier, value];
}

/** `a,b` -> ["a", "b"], each one of `known`. */
export function parseList<T extends string>(known: readonly T[]): (text: string) => T[] {
  return (text) =>
    text.split(",").map((part) => {
      const found = known.find((each) => each === part.trim());
      if (found === undefined) throw new InvalidArgumentError(`write some of ${known.join(", ")}.`);
      return found;
    });
}
