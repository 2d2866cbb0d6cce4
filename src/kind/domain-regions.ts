/**
 * An annotation as a numbering of regions, the form in which poses carry it (science/regions.ts).
 *
 * Owns: which domain of a chain counts: the first, as in the original.
 */
import { type Annotation, regionOf } from "./annotate.ts";

const CHARACTERS: Readonly<Record<string, string>> = { cdr1: "1", cdr2: "2", cdr3: "3" };

/** A character for each of `length` residues; undefined where there is no domain. */
export function domainRegions({ domains }: Annotation, length: number): string | undefined {
  const [domain] = domains;
  if (domain === undefined) return undefined;
  const regions = Array.from(domain.positions, (at) => CHARACTERS[regionOf(at)] ?? "F").join("");
  return (".".repeat(domain.start) + regions).padEnd(length, ".");
}
