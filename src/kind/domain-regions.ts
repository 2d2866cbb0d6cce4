/**
 * An annotation as a numbering of regions, the form in which poses carry it (science/regions.ts).
 *
 * Owns: which domains of a chain count: the first of a heavy chain and the first of a light one, so
 * that a merged Fv (heavy and light in one chain) has both; or the first alone, as in the original.
 */
import { type Annotation, type Domain, regionOf } from "./annotate.ts";

/** Of the complementarity-determining regions, and of the framework. */
const HEAVY: Readonly<Record<string, string>> = { cdr1: "1", cdr2: "2", cdr3: "3", other: "F" };
const LIGHT: Readonly<Record<string, string>> = { cdr1: "4", cdr2: "5", cdr3: "6", other: "L" };

/**
 * A character for each of `length` residues; undefined where there is no domain. `onlyFirst`: the
 * first domain, whatever it is, in the characters of a heavy chain.
 */
export function domainRegions(
  { domains }: Annotation,
  length: number,
  { onlyFirst }: { readonly onlyFirst: boolean },
): string | undefined {
  const counted = onlyFirst
    ? domains.slice(0, 1)
    : [true, false].flatMap(
        (isHeavy) => domains.find((one) => isHeavyDomain(one) === isHeavy) ?? [],
      );
  if (counted.length === 0) return undefined;
  const regions = new Array<string>(length).fill(".");
  for (const domain of counted) {
    const characters = onlyFirst || isHeavyDomain(domain) ? HEAVY : LIGHT;
    for (const [i, at] of domain.positions.entries()) {
      regions[domain.start + i] = characters[regionOf(at)] ?? characters.other!;
    }
  }
  return regions.join("");
}

function isHeavyDomain({ chain }: Domain): boolean {
  return chain === "H";
}
