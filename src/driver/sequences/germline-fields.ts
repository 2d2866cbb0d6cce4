/**
 * Nearest germlines -> fields of summary.tsv.
 *
 * Owns: the columns, as AIRR's Rearrangement schema 2.0 names them, and species by their binomial
 * names.
 */
import type { Domain } from "../../kind/annotate.ts";
import {
  type GermlineTable,
  type NearestGermline,
  nearestGermline,
  POSITIONS,
} from "../../science/germlines.ts";

/** Of summary.tsv before `note`, where species are told. */
export const GERMLINE_COLUMNS = [
  "locus_species",
  "v_call",
  "v_identity",
  "j_call",
  "j_identity",
] as const;

/** Binomial names, as AIRR wants them, of what the table calls species. */
const SPECIES: Readonly<Record<string, string>> = {
  human: "Homo sapiens",
  mouse: "Mus musculus",
  rat: "Rattus norvegicus",
  rabbit: "Oryctolagus cuniculus",
  rhesus: "Macaca mulatta",
  pig: "Sus scrofa",
  alpaca: "Vicugna pacos",
  cow: "Bos taurus",
};

/** Of a domain of `sequence`; undefined where the table has none of its chain. */
export function nearestOf(
  { chain, start, positions, insertions }: Domain,
  sequence: string,
  germlines: GermlineTable,
): NearestGermline | undefined {
  const residues = new Uint8Array(POSITIONS);
  for (const [i, position] of positions.entries()) {
    if (insertions[i] === 0) residues[position - 1] = sequence.charCodeAt(start + i);
  }
  return nearestGermline(germlines, chain, residues);
}

/** Of a species of the table. */
export function binomialOf(species: string): string {
  return SPECIES[species] ?? species;
}

/** Its binomial name; empty for none. */
export function speciesOf(nearest: NearestGermline | undefined): string {
  return nearest === undefined ? "" : binomialOf(nearest.species);
}

/** The fields of GERMLINE_COLUMNS, a domain's values each. */
export function germlineFields(nearest: readonly (NearestGermline | undefined)[]): string[] {
  const joined = (take: (each: NearestGermline) => string | undefined) =>
    nearest.map((each) => (each && take(each)) ?? "").join(",");
  return [
    nearest.map(speciesOf).join(","),
    joined(({ v }) => v.gene),
    joined(({ v }) => v.identity.toFixed(3)),
    joined(({ j }) => j?.gene),
    joined(({ j }) => j?.identity.toFixed(3)),
  ];
}
