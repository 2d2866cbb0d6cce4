/**
 * Rows of the `annotate` kind -> annotations.tsv and summary.tsv.
 *
 * Owns: the columns, named as the AIRR standards name them where they have a word (AIRR Rearrangement
 * schema 1.4), and what index.tsv says of a record without a domain. Positions in a sequence count
 * from 1. A record with several domains, as a single-chain Fv, has their values in its one row of
 * summary.tsv, with commas between, in the order of the sequence.
 */
import { join } from "node:path";
import { escapeField, TsvWriter } from "../../formats/table/tsv.ts";
import {
  type AnnotateParameters,
  type Domain,
  decodeAnnotation,
  insertionCode,
  isAntibodyOnly,
  LOCUS,
  REGIONS,
  regionOf,
  regionSequences,
} from "../../kind/annotate.ts";
import type { GermlineTable } from "../../science/germlines.ts";
import type { OutputFolder } from "../output/output-folder.ts";
import type { ResultRow, ResultTables, RowStatus } from "../output/result-output.ts";
import type { Plan } from "../plan/plan.ts";
import { GERMLINE_COLUMNS, germlineFields, nearestOf, speciesOf } from "./germline-fields.ts";

/** One row a numbered residue. */
export const ANNOTATION_COLUMNS = [
  "row",
  "sequence_id",
  "domain",
  "locus",
  "sequence_position",
  "residue",
  "imgt_position",
  "insertion",
  "region",
] as const;

/** One row a record that has a row in index.tsv. */
export const SUMMARY_COLUMNS = [
  "row",
  "sequence_id",
  "length",
  "domains",
  "locus",
  "confidence",
  "v_domain_start",
  "v_domain_end",
  ...REGIONS.map((region) => `${region}_aa` as const),
  "note",
] as const;

/** What a row says of its item, whatever the record is called. */
interface Described {
  readonly note: string;
  /** Of summary.tsv, from `length` on. */
  readonly fields: string;
  /** `tails`: of annotations.tsv, a line a residue from `domain` on. */
  readonly domains: readonly {
    readonly locus: string;
    /** Undefined where it is not told. */
    readonly species: string | undefined;
    readonly tails: readonly string[];
  }[];
}

export interface TableOptions {
  readonly parameters: AnnotateParameters;
  /** Absent: species are not told. */
  readonly germlines: GermlineTable | undefined;
}

function summaryColumns(hasSpecies: boolean): readonly string[] {
  return hasSpecies
    ? [...SUMMARY_COLUMNS.slice(0, -1), ...GERMLINE_COLUMNS, ...SUMMARY_COLUMNS.slice(-1)]
    : SUMMARY_COLUMNS;
}

/** Items that are described once for all their rows; some 10 KB each. */
const KNOWN_MAX = 4096;

export class AnnotationTables implements ResultTables {
  readonly names: ReadonlyMap<string, boolean> = new Map([
    ["annotations.tsv", true],
    ["summary.tsv", true],
  ]);
  readonly #plan: Plan;
  readonly #missing: string;
  readonly #residues: TsvWriter;
  readonly #summary: TsvWriter;
  #withoutDomain = 0;
  readonly #loci = new Map<string, number>();
  readonly #species = new Map<string, number>();
  readonly #germlines: GermlineTable | undefined;
  readonly #known = new Map<number, Described>();

  private constructor(parts: {
    plan: Plan;
    missing: string;
    residues: TsvWriter;
    summary: TsvWriter;
    germlines: GermlineTable | undefined;
  }) {
    this.#plan = parts.plan;
    this.#germlines = parts.germlines;
    this.#missing = parts.missing;
    this.#residues = parts.residues;
    this.#summary = parts.summary;
  }

  /** `germlines`: species and genes are told by these. */
  static async create(
    folder: OutputFolder,
    plan: Plan,
    { parameters, germlines }: TableOptions,
  ): Promise<AnnotationTables> {
    const at = (name: string) => join(folder.work, name);
    return new AnnotationTables({
      plan,
      missing: isAntibodyOnly(parameters) ? "no antibody" : "no domain",
      residues: await TsvWriter.create(at("annotations.tsv"), ANNOTATION_COLUMNS),
      summary: await TsvWriter.create(at("summary.tsv"), summaryColumns(germlines !== undefined)),
      germlines,
    });
  }

  /** Records without a domain so far. */
  get withoutDomain(): number {
    return this.#withoutDomain;
  }

  /** Domains so far by locus; antibodies' first, then T-cell receptors'. */
  get domains(): Readonly<Record<string, number>> {
    const known = Object.values(LOCUS).filter((locus) => this.#loci.has(locus));
    return Object.fromEntries(known.map((locus) => [locus, this.#loci.get(locus)!]));
  }

  /** Domains so far by species, most first; none where species are not told. */
  get species(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#species].sort((a, b) => b[1] - a[1]));
  }

  async write(rows: readonly ResultRow[]): Promise<(RowStatus | undefined)[]> {
    const said: (RowStatus | undefined)[] = [];
    for (const row of rows) {
      const { domains, note, fields } = this.#described(row);
      const head = `${row.row}\t${escapeField(row.id)}\t`;
      await this.#summary.writeLines(`${head}${fields}\n`);
      for (const { locus, species, tails } of domains) {
        this.#loci.set(locus, (this.#loci.get(locus) ?? 0) + 1);
        if (species) this.#species.set(species, (this.#species.get(species) ?? 0) + 1);
        // One call of the engine's own for a domain: a file of chains has a million lines.
        await this.#residues.writeLines(`${head}${tails.join(`\n${head}`)}\n`);
      }
      if (domains.length === 0) this.#withoutDomain++;
      said.push(domains.length > 0 ? undefined : { status: this.#missing, note });
    }
    return said;
  }

  /** What all rows of an item share. */
  #described(row: ResultRow): Described {
    let described = this.#known.get(row.item);
    if (described === undefined) {
      if (this.#known.size >= KNOWN_MAX) this.#known.clear();
      const sequence = this.#plan.dataOf(row.item).toString("latin1");
      described = describe(row, sequence, this.#germlines);
      this.#known.set(row.item, described);
    }
    return described;
  }

  async close(): Promise<void> {
    await this.#residues.close();
    await this.#summary.close();
  }

  async abort(): Promise<void> {
    await this.#residues.abort();
    await this.#summary.abort();
  }
}

function describe(
  { payload, length }: ResultRow,
  sequence: string,
  germlines: GermlineTable | undefined,
): Described {
  const { domains, note } = decodeAnnotation(payload, length);
  const nearest = germlines && domains.map((domain) => nearestOf(domain, sequence, germlines));
  const fields = [
    ...summaryFields(domains, sequence),
    ...(nearest === undefined ? [] : germlineFields(nearest)),
    note,
  ];
  return {
    note,
    fields: fields.map(escapeField).join("\t"),
    domains: domains.map((domain, i) => ({
      locus: LOCUS[domain.chain],
      species: nearest && speciesOf(nearest[i]),
      tails: residueTails(i + 1, domain, sequence),
    })),
  };
}

/** The fields of a row of summary.tsv from `length` to the last region. */
function summaryFields(domains: readonly Domain[], sequence: string): string[] {
  const joined = (take: (domain: Domain) => string | number) => domains.map(take).join(",");
  const regions = domains.map((domain) => regionSequences(domain, sequence));
  return [
    String(sequence.length),
    String(domains.length),
    joined(({ chain }) => LOCUS[chain]),
    joined(({ confidence }) => confidence.toFixed(3)),
    joined(({ start }) => start + 1),
    joined(({ start, positions }) => start + positions.length),
    ...REGIONS.map((region) => regions.map((each) => each[region]).join(",")),
  ];
}

/** The lines of a domain's residues behind row and id. */
function residueTails(
  number: number,
  { chain, start, positions, insertions }: Domain,
  sequence: string,
): string[] {
  const head = `${number}\t${LOCUS[chain]}\t`;
  return Array.from(positions, (position, i) => {
    const at = start + i;
    return `${head}${at + 1}\t${sequence[at]}${positionFields(position, insertions[i]!)}`;
  });
}

const knownFields: string[] = [];

/** The last fields of a line: position, insertion, region. */
function positionFields(position: number, insertion: number): string {
  const at = 256 * insertion + position;
  knownFields[at] ??= `\t${position}\t${insertionCode(insertion)}\t${regionOf(position)}`;
  return knownFields[at];
}
