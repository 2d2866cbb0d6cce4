/**
 * The `annotate` kind: a protein sequence to the numbering of its antibody domains.
 *
 * Owns: its parameters and their canonical form, the bytes of a row, and what follows from a
 * position: label and region. Invariant: equal canonical parameters and equal sequences mean equal
 * rows. Deliberately not here: the numbering itself (cluster/engines/annotate).
 */
import { z } from "zod";
import { RaysidueError } from "../base/errors.ts";
import { RARE_LETTERS, type SequenceRules } from "./sequence.ts";

/**
 * Ways to number a sequence: which engine does it, and what that must be (the engine.py of
 * cluster/engines/ENGINE says the same). Immunum is fast; ANARCI is what DeepRank-Ab labels by.
 */
export const NUMBERINGS = {
  immunum: { engine: "annotate", fingerprint: "immunum-2.0.0+anchors-1" },
  anarci: { engine: "anarci", fingerprint: "anarci-2026.2.13.2+pyhmmer-0.12.3" },
} as const;
export type Numbering = keyof typeof NUMBERINGS;
export const DEFAULT_NUMBERING: Numbering = "immunum";

/** Antibody heavy, kappa, lambda; then T-cell receptor alpha, beta, gamma, delta. */
export const CHAINS = ["H", "K", "L", "A", "B", "G", "D"] as const;
export type Chain = (typeof CHAINS)[number];

const ANTIBODY_CHAINS: readonly Chain[] = ["H", "K", "L"];

/** AIRR's names of the loci. */
export const LOCUS: Readonly<Record<Chain, string>> = {
  H: "IGH",
  K: "IGK",
  L: "IGL",
  A: "TRA",
  B: "TRB",
  G: "TRG",
  D: "TRD",
};

/** What a user may say; everything has a default. */
export const ANNOTATE_PARAMETERS = z.strictObject({
  scheme: z.enum(["imgt"]).default("imgt"),
  /** Which chains a domain may be; receptors are looked for only when asked for. */
  chains: z
    .array(z.enum(CHAINS))
    .min(1)
    .default([...ANTIBODY_CHAINS]),
  /**
   * Of immunum: alignments below this are no domain, 0 to 1. Lysozyme reaches 0.08, odd antibodies
   * 0.6. ANARCI asks for 80 bits instead.
   */
  minConfidence: z.number().min(0).max(1).default(0.5),
});
export type AnnotateInput = z.input<typeof ANNOTATE_PARAMETERS>;
export type AnnotateParameters = Readonly<z.infer<typeof ANNOTATE_PARAMETERS>>;

/** Checks a user's parameters. Throws RaysidueError "usage" that says what to change. */
export function resolveAnnotate(input: AnnotateInput): AnnotateParameters {
  const parsed = ANNOTATE_PARAMETERS.safeParse(input);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const text = `parameters of annotate: ${issue.path.join(".")}: ${issue.message}`;
    throw new RaysidueError("usage", text);
  }
  const { chains, ...rest } = parsed.data;
  return { ...rest, chains: CHAINS.filter((chain) => chains.includes(chain)) };
}

/** The parameters as they enter content keys: JSON with sorted keys. */
export function canonicalAnnotate({ chains, minConfidence, scheme }: AnnotateParameters): string {
  return JSON.stringify({ chains, minConfidence, scheme });
}

/** Whether only antibodies are looked for. */
export function isAntibodyOnly({ chains }: AnnotateParameters): boolean {
  return chains.every((chain) => ANTIBODY_CHAINS.includes(chain));
}

/** Letters of proteins; what is none of the twenty is aligned as unknown. */
export const ANNOTATE_RULES: SequenceRules = {
  alphabet: "ACDEFGHIKLMNPQRSTVWXY",
  unknownLetters: RARE_LETTERS.replace("X", ""),
  maxLength: undefined,
  onLong: "error",
};

/** A numbered variable domain. Residue `start + i` of the sequence has the i-th position. */
export interface Domain {
  readonly chain: Chain;
  /** 0-based index of its first residue. */
  readonly start: number;
  /** 0 to 1. */
  readonly confidence: number;
  /** `[residues]`, 1 to 128. */
  readonly positions: Uint8Array;
  /** `[residues]`: 0 none, 1 A, 2 B ... */
  readonly insertions: Uint8Array;
}

export interface Annotation {
  /** In the order of the sequence. */
  readonly domains: readonly Domain[];
  /** Why there is no domain; empty where there is one. */
  readonly note: string;
}

const ROW_VERSION = 1;
const HEAD_BYTES = 4;
const DOMAIN_HEAD_BYTES = 12;

/**
 * Reads a row. Layout, little-endian: version u8 (1), domains u8, note bytes u16, note (UTF-8);
 * then of each domain chain u8 (a letter), 0 u8, residues u16, start u32, confidence f32, positions
 * `[residues]` u8, insertions `[residues]` u8. `length`: residues of the sequence. Throws
 * RaysidueError "bad-input" where the bytes are not such a row.
 */
export function decodeAnnotation(payload: Uint8Array, length: number): Annotation {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const bytesFrom = (start: number, count: number) => {
    if (start + count > payload.byteLength) throw badRow(`of ${payload.byteLength} bytes`);
    return payload.subarray(start, start + count);
  };
  const head = bytesFrom(0, HEAD_BYTES);
  if (head[0] !== ROW_VERSION) throw badRow(`of version ${head[0]}`);
  const noteBytes = view.getUint16(2, true);
  const note = Buffer.from(bytesFrom(HEAD_BYTES, noteBytes)).toString("utf8");
  let at = HEAD_BYTES + noteBytes;
  const domains: Domain[] = [];
  for (let i = 0; i < head[1]!; i++) {
    bytesFrom(at, DOMAIN_HEAD_BYTES);
    const letter = String.fromCharCode(view.getUint8(at));
    const chain = CHAINS.find((each) => each === letter);
    const count = view.getUint16(at + 2, true);
    const start = view.getUint32(at + 4, true);
    const confidence = view.getFloat32(at + 8, true);
    const positions = bytesFrom(at + DOMAIN_HEAD_BYTES, count);
    const insertions = bytesFrom(at + DOMAIN_HEAD_BYTES + count, count);
    const isSound = positions.every((position) => position >= 1 && position <= LAST_POSITION);
    if (chain === undefined || start + count > length || !isSound) {
      throw badRow(`with an impossible domain`);
    }
    domains.push({ chain, start, confidence, positions, insertions });
    at += DOMAIN_HEAD_BYTES + 2 * count;
  }
  if (at !== payload.byteLength) throw badRow(`with ${payload.byteLength - at} bytes too many`);
  return { domains, note };
}

function badRow(what: string): RaysidueError {
  const said = `an annotation ${what}; verify the cache with \`raysidue cache verify\``;
  return new RaysidueError("bad-input", said);
}

/** AIRR's names of the regions, in order. */
export const REGIONS = ["fwr1", "cdr1", "fwr2", "cdr2", "fwr3", "cdr3", "fwr4"] as const;
export type Region = (typeof REGIONS)[number];

/** Last IMGT position of each region; the same for every chain (Lefranc et al., 2003). */
const REGION_ENDS = [26, 38, 55, 65, 104, 117, 128];
const LAST_POSITION = 128;

/** The region of an IMGT position, 1 to 128. */
export function regionOf(position: number): Region {
  return REGIONS[REGION_ENDS.findIndex((end) => position <= end)]!;
}

/** `A` of 1, `B` of 2; empty for 0. */
export function insertionCode(insertion: number): string {
  return insertion === 0 ? "" : String.fromCharCode(64 + insertion);
}

/** The residues of each region of a domain; empty where it has none. */
export function regionSequences(domain: Domain, sequence: string): Record<Region, string> {
  const found = Object.fromEntries(REGIONS.map((region) => [region, ""])) as Record<Region, string>;
  const { start, positions } = domain;
  let from = 0;
  // Positions ascend, so that regions are stretches of the sequence.
  REGIONS.forEach((region, i) => {
    let to = from;
    while (to < positions.length && positions[to]! <= REGION_ENDS[i]!) to++;
    found[region] = sequence.slice(start + from, start + to);
    from = to;
  });
  return found;
}
