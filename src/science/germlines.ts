/**
 * The germline that a variable domain is nearest to: species, V gene, J gene.
 *
 * Owns: the rule, which is ANARCI's (Dunbar and Deane, Bioinformatics 32 (2016)): of all V germlines
 * of the domain's chain, whatever the species, the one of which the largest share of residues is the
 * domain's at the same IMGT position; of equals the first of the table. Then J likewise, of that
 * species. Pure. A nearest germline is no proof: engineered and humanised domains have one, too.
 */

/** IMGT positions of a domain: 1 to 128. */
export const POSITIONS = 128;

export interface Germline {
  /** As the table names it: `human`. */
  readonly species: string;
  /** `IGHV1-18*01` */
  readonly gene: string;
  /** `[residues]`: where it has residues, an IMGT position less 1 each, ascending. */
  readonly positions: Uint8Array;
  /** `[residues]`: letters. */
  readonly residues: Uint8Array;
}

/** Of a sequence of POSITIONS letters, `-` where there is none. */
export function germlineOf(species: string, gene: string, aligned: string): Germline {
  const positions = [...aligned].flatMap((letter, i) => (letter === "-" ? [] : [i]));
  const residues = positions.map((i) => aligned.charCodeAt(i));
  return {
    species,
    gene,
    positions: Uint8Array.from(positions),
    residues: Uint8Array.from(residues),
  };
}

/** Germlines by chain (H, K, L, A, B, G, D), in the table's order. */
export interface GermlineTable {
  readonly v: ReadonlyMap<string, readonly Germline[]>;
  readonly j: ReadonlyMap<string, readonly Germline[]>;
}

export interface NearestGene {
  readonly gene: string;
  /** Share of the germline's residues that the domain has. */
  readonly identity: number;
}

export interface NearestGermline {
  readonly species: string;
  readonly v: NearestGene;
  /** Absent where the table has none of that species, or the domain no residue in common with one. */
  readonly j: NearestGene | undefined;
}

/**
 * Finds it; undefined where the table has no V germline of the chain. `residues`: `[128]`, the
 * domain's residue at each position, insertions left out, 0 where it has none.
 */
export function nearestGermline(
  table: GermlineTable,
  chain: string,
  residues: Uint8Array,
): NearestGermline | undefined {
  const v = nearest(table.v.get(chain) ?? [], residues);
  if (v === undefined) return undefined;
  const { species } = v.germline;
  const joining = (table.j.get(chain) ?? []).filter((each) => each.species === species);
  const j = nearest(joining, residues);
  const geneOf = ({ germline, identity }: Found) => ({ gene: germline.gene, identity });
  return { species, v: geneOf(v), j: j && geneOf(j) };
}

interface Found {
  readonly germline: Germline;
  readonly identity: number;
}

function nearest(germlines: readonly Germline[], residues: Uint8Array): Found | undefined {
  let found: Found | undefined;
  for (const germline of germlines) {
    const identity = identityAbove(found?.identity ?? 0, germline, residues);
    if (identity !== undefined) found = { germline, identity };
  }
  return found;
}

/** Undefined where it is not above `least`, which mostly shows after a few positions. */
function identityAbove(
  least: number,
  { positions, residues }: Germline,
  domain: Uint8Array,
): number | undefined {
  const count = positions.length;
  const missesMax = count * (1 - least);
  let misses = 0;
  for (let i = 0; i < count; i++) {
    if (residues[i] !== domain[positions[i]!] && ++misses >= missesMax) return undefined;
  }
  return (count - misses) / count;
}
