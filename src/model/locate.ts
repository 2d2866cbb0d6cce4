/**
 * Finding a model on this machine.
 *
 * Owns: from a name to a folder whose files are all there and whose digests agree, with what a
 * planner must know of the model. Invariant: never touches the network, and never returns a model
 * of which a file is missing or has another digest than it should. Deliberately not here: fetching
 * (pull.ts).
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { isBadInput, RaysidueError } from "../base/errors.ts";
import {
  EMULATED_DIM,
  type FolderSource,
  type ModelSource,
  resolveModelName,
  type WheelSource,
} from "./catalog.ts";
import { weightFiles } from "./checkpoint.ts";
import { type ModelConfig, readModelConfig } from "./config.ts";
import { DigestMemory } from "./digests.ts";
import { type Environment, hubCacheRoot, ownCacheFolder } from "./environment.ts";
import { type FileRole, fingerprintOf } from "./fingerprint.ts";
import {
  CachedRepo,
  listModelFolder,
  type SnapshotFile,
  shippedFolderName,
  wheelRepoName,
} from "./hub-cache.ts";
import { CONFIG_NAME, VOCABULARY_NAME } from "./model-files.ts";
import { ESM2_TOKENS, readVocabulary, residueAlphabet } from "./vocabulary.ts";

export interface ModelFile extends SnapshotFile {
  readonly role: FileRole;
  readonly sha256: string;
}

interface LocatedBase {
  /** Canonical: `antiberty`, `facebook/esm2_t6_8M_UR50D`, an absolute path, `emulate`. */
  readonly name: string;
  /** 64 hex digits; equal fingerprints give equal results. */
  readonly fingerprint: string;
  /** Numbers in an embedding of the last layer. */
  readonly dim: number;
  /** Longest sequence in residues, or null for no limit. */
  readonly maxResidues: number | null;
  /** The capital letters that the model knows as residues, sorted. */
  readonly alphabet: string;
}

/** A model with weights. `kind` equals `config.kind`. */
export interface LocatedTransformer extends LocatedBase {
  readonly kind: "bert" | "esm";
  /** Holds config.json and the weights; links into the cache's blobs where it is a snapshot. */
  readonly folder: string;
  readonly config: ModelConfig;
  /** Tokens in order of their ids. */
  readonly vocabulary: readonly string[];
  readonly files: readonly ModelFile[];
}

/** The emulated engine's pseudo-model: no files, vectors of EMULATED_DIM numbers that mean nothing. */
export interface LocatedEmulation extends LocatedBase {
  readonly kind: "emulate";
  readonly folder: null;
  readonly config: null;
}

export type LocatedModel = LocatedTransformer | LocatedEmulation;

export interface LocateOptions {
  /** The hub cache; by default what the environment says. */
  readonly cacheRoot?: string | undefined;
  /** Raysidue's own cache, where digests are remembered; by default what the environment says. */
  readonly ownCache?: string | undefined;
  readonly environment?: Environment | undefined;
  /** Of the model that is meant: a folder that is not here may have been brought to this node. */
  readonly fingerprint?: string | undefined;
  /** Told before a file is read in full for its digest, which happens once a file. */
  readonly onHash?: ((path: string) => void) | undefined;
}

export function cacheRootOf(options: LocateOptions): string {
  return options.cacheRoot ?? hubCacheRoot(options.environment ?? process.env);
}

export function digestMemoryOf(options: LocateOptions): DigestMemory {
  return new DigestMemory(options.ownCache ?? ownCacheFolder(options.environment ?? process.env));
}

/** The cached repository of a source, and the ref under which its commit stands. */
export function repoOf(
  source: Extract<ModelSource, { type: "wheel" | "hub" }>,
  cacheRoot: string,
): CachedRepo {
  const name = source.type === "wheel" ? wheelRepoName(source.package) : source.name;
  return new CachedRepo(cacheRoot, name);
}

/** The commit that stands for a wheel: the first digits of its digest. */
export function wheelCommit(source: WheelSource): string {
  return source.sha256.slice(0, 40);
}

/**
 * Finds a pulled or local model. Throws RaysidueError: "usage" for an unknown name, "unavailable"
 * where it has not been pulled, "bad-input" where a file is malformed or has a wrong digest.
 */
export async function locateModel(
  name: string,
  options: LocateOptions = {},
): Promise<LocatedModel> {
  const source = resolveModelName(name);
  if (isGermlines(source)) {
    const text = `${source.name} is a table for \`raysidue annotate --species\`; it is no model`;
    throw new RaysidueError("usage", text);
  }
  if (isScorer(source)) {
    const text = `${source.name} scores docking poses (\`raysidue score\`); it reads no sequences`;
    throw new RaysidueError("usage", text);
  }
  if (source.type === "emulated") return locateEmulation();
  if (source.type === "folder") return locateFolder(source.name, placeOf(source, options), options);
  const repo = repoOf(source, cacheRootOf(options));
  const commit = source.type === "wheel" ? wheelCommit(source) : await repo.readRef("main");
  if (commit === undefined || !(await isComplete(repo, commit))) throw notPulled(source.name, repo);
  const located = await locateFolder(source.name, repo.snapshotFolder(commit), options);
  if (source.type === "wheel") checkPinned(source, located.files);
  return located;
}

export function notPulled(name: string, repo: CachedRepo): RaysidueError {
  const what = `model ${name} is not in ${repo.root}, or not all of it`;
  return new RaysidueError("unavailable", `${what}; run \`raysidue model pull ${name}\``);
}

/** Whether a source is a network that scores poses (scorer.ts), and no model of sequences. */
export function isGermlines(source: ModelSource): boolean {
  return source.type === "wheel" && source.purpose === "germlines";
}

export function isScorer(source: ModelSource): source is WheelSource & { purpose: "score" } {
  return source.type === "wheel" && source.purpose === "score";
}

/** Whether all files of a snapshot that a model needs are there, going by names. */
export async function isComplete(repo: CachedRepo, commit: string): Promise<boolean> {
  const files = new Map((await repo.snapshotFiles(commit)).map((file) => [file.name, file]));
  if (!files.has(CONFIG_NAME)) return false;
  try {
    await weightFiles(repo.snapshotFolder(commit), files);
    return true;
  } catch (thrown) {
    if (isBadInput(thrown)) return false;
    throw thrown;
  }
}

/** A user's folder, or what was brought here of one on another machine. */
function placeOf({ name }: FolderSource, options: LocateOptions): string {
  const { fingerprint } = options;
  if (fingerprint === undefined) return name;
  const brought = join(cacheRootOf(options), shippedFolderName(fingerprint));
  return existsSync(brought) ? brought : name;
}

function locateEmulation(): LocatedEmulation {
  return {
    name: "emulate",
    kind: "emulate",
    folder: null,
    config: null,
    fingerprint: fingerprintOf([]),
    dim: EMULATED_DIM,
    maxResidues: null,
    alphabet: residueAlphabet(ESM2_TOKENS),
  };
}

async function locateFolder(
  name: string,
  folder: string,
  options: LocateOptions,
): Promise<LocatedTransformer> {
  const found = new Map((await listModelFolder(folder)).map((file) => [file.name, file]));
  const configFile = found.get(CONFIG_NAME);
  if (configFile === undefined) {
    const form = "a model's folder holds config.json and model.safetensors";
    throw new RaysidueError(
      "bad-input",
      `${folder}: no such folder or no config.json in it; ${form}`,
    );
  }
  const config = await readModelConfig(configFile.path);
  const vocabularyFile = found.get(VOCABULARY_NAME);
  const vocabulary = await vocabularyOf(folder, config, vocabularyFile);
  const roles: [FileRole, SnapshotFile][] = [["config", configFile]];
  if (vocabularyFile !== undefined) roles.push(["vocabulary", vocabularyFile]);
  for (const [index, { file }] of (await weightFiles(folder, found)).entries()) {
    roles.push([`weights-${index}`, file]);
  }
  const files = await digestFiles(roles, options);
  return {
    name,
    kind: config.kind,
    folder,
    config,
    vocabulary,
    files,
    fingerprint: fingerprintOf(files),
    dim: config.hiddenSize,
    maxResidues: maxResiduesOf(config),
    alphabet: residueAlphabet(vocabulary),
  };
}

/** Two positions go to the first and last token; ESM counts two more for its padding index. */
function maxResiduesOf(config: ModelConfig): number {
  return config.positionsMax - (config.kind === "esm" ? 4 : 2);
}

async function vocabularyOf(
  folder: string,
  config: ModelConfig,
  file: SnapshotFile | undefined,
): Promise<readonly string[]> {
  const isEsm2 = config.kind === "esm" && config.vocabularySize === ESM2_TOKENS.length;
  if (file === undefined && isEsm2) return ESM2_TOKENS;
  if (file === undefined) {
    const path = join(folder, VOCABULARY_NAME);
    throw new RaysidueError("bad-input", `${path}: missing; a model needs its tokens, one a line`);
  }
  const tokens = await readVocabulary(file.path);
  if (tokens.length > config.vocabularySize) {
    const said = `${tokens.length} tokens, config.json has vocab_size ${config.vocabularySize}`;
    throw new RaysidueError("bad-input", `${join(folder, VOCABULARY_NAME)}: ${said}`);
  }
  return tokens;
}

export async function digestFiles(
  roles: readonly [FileRole, SnapshotFile][],
  options: LocateOptions,
): Promise<ModelFile[]> {
  const memory = digestMemoryOf(options);
  const files: ModelFile[] = [];
  for (const [role, file] of roles) {
    const sha256 = await memory.sha256Of(file.path, options.onHash);
    // A blob that another program put here is believed only once its bytes say the same.
    if (file.claimed?.algorithm === "sha256" && file.claimed.hex !== sha256) {
      throw wrongDigest(file.path, { expected: file.claimed.hex, actual: sha256 });
    }
    files.push({ ...file, role, sha256 });
  }
  return files;
}

/** Throws RaysidueError "bad-input" where a file is not the one that the catalogue pins. */
export function checkPinned(source: WheelSource, files: readonly ModelFile[]): void {
  for (const file of files) {
    const pinned = source.members.find((member) => member.name === file.name);
    if (pinned?.sha256 !== file.sha256) {
      throw wrongDigest(file.path, { expected: pinned?.sha256 ?? "none", actual: file.sha256 });
    }
  }
}

/** The error of a file whose bytes are not those that its name or the catalogue promises. */
export function wrongDigest(
  path: string,
  digests: { expected: string; actual: string },
): RaysidueError {
  const said = `${path}: digest ${digests.actual}, expected ${digests.expected}`;
  return new RaysidueError("bad-input", `${said}; the file is damaged, pull the model again`);
}
