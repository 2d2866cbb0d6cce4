/**
 * Files of poses on their way to the reader: known ones by what was read of them before, others
 * fetched and parsed ahead.
 *
 * Owns: how far ahead, and what may be skipped. Invariants: order is kept; a file is skipped only if
 * each of its poses has a result; bytes that wait are bounded, whatever the number and size of
 * files. Streams, archives and files above STAGED_BYTES_MAX are read as they are parsed.
 */
import { Readable } from "node:stream";
import PQueue from "p-queue";
import { type Fetch, readAhead } from "../../base/read-ahead.ts";
import type { FileSource, FileState } from "../../formats/text/file-source.ts";
import { openInput, plainText, type TextInput } from "../../formats/text/text-source.ts";
import { type ContentKey, contentKey, type SpaceDigest } from "../../store/content-key.ts";
import type { ResultStore } from "../../store/result-store.ts";
import { isQuiver, type ParsedPose } from "./parse-poses.ts";
import { ascending, type PoseBook, type PoseEntry } from "./pose-book.ts";

export interface PoseFile {
  readonly name: string;
  /** Its place among all files. */
  readonly position: number;
  /** Under which the book wants to know what is read of it. */
  readonly key: ContentKey | undefined;
  /** What was read of it before; what was parsed of it ahead; or its bytes, which are parsed as they come. */
  readonly content:
    | { readonly known: readonly PoseEntry[] }
    | { readonly poses: readonly ParsedPose[] }
    | { readonly input: TextInput };
}

export interface PoseFilesOptions {
  readonly paths: Iterable<string>;
  readonly files: FileSource;
  /** Absent: every file is parsed. */
  readonly book: PoseBook | undefined;
  /** Where results may be known, and how they are named. */
  readonly stores: readonly ResultStore[];
  readonly space: SpaceDigest;
  /** Parses the bytes of a file. */
  readonly parse: (
    file: string,
    bytes: Uint8Array,
    position: number,
  ) => Promise<readonly ParsedPose[]>;
  readonly signal: AbortSignal;
}

/** Enough for a file system that answers in 20 ms to keep ahead of parsers that need 4. */
const FETCHES_AT_ONCE = 16;
/** Of files that are fetched, or parsed (which is less), and not yet handed out. */
const WAITING_BYTES_MAX = 64 << 20;
const STAGED_BYTES_MAX = 16 << 20;
/**
 * Files that are looked up together: few at first, so that reading begins at once, then twice as
 * many each time, since looking up costs a walk through the index.
 */
const GROUP_MIN = 64;
const GROUP_MAX = 1 << 16;

interface LookedUp {
  readonly path: string;
  readonly state: FileState | undefined;
  readonly key: ContentKey | undefined;
  readonly known: readonly PoseEntry[] | undefined;
}

export async function* poseFiles(options: PoseFilesOptions): AsyncGenerator<PoseFile> {
  const limits = { concurrency: FETCHES_AT_ONCE, weightMax: WAITING_BYTES_MAX };
  yield* readAhead(fetches(options), limits);
}

async function* fetches(options: PoseFilesOptions): AsyncGenerator<Fetch<PoseFile>> {
  let count = 0;
  for await (const { path, state, key, known } of lookedUp(options)) {
    const position = count++;
    const input = openInput(path, options.signal);
    const file = { name: input.name, position, key };
    const isSmall = state?.isFile === true && state.sizeBytes <= STAGED_BYTES_MAX;
    if (known !== undefined)
      yield { weight: 0, run: async () => ({ ...file, content: { known } }) };
    else if (!isSmall || isQuiver(path)) {
      yield { weight: 0, run: async () => ({ ...file, content: { input } }) };
    } else {
      const run = async () => ({ ...file, content: await parsedAhead(path, position, options) });
      yield { weight: state.sizeBytes, run };
    }
  }
}

async function parsedAhead(
  path: string,
  position: number,
  { files, parse }: PoseFilesOptions,
): Promise<PoseFile["content"]> {
  const bytes = await files.read(path).catch((thrown: Error) => thrown);
  if (bytes instanceof Uint8Array) return { poses: await parse(path, bytes, position) };
  // A file that cannot be read says so where its bytes are asked for, as any other.
  const raw = () => new Readable({ read() {} }).destroy(bytes);
  return { input: { name: path, bytes: plainText(raw, path) } };
}

/** Every path, with what is known of it; the next group is looked up while one is handed out. */
async function* lookedUp(options: PoseFilesOptions): AsyncGenerator<LookedUp> {
  const paths = options.paths[Symbol.iterator]();
  let size = GROUP_MIN;
  const start = () => {
    const group = lookUp(taken(paths, size), options);
    size = Math.min(GROUP_MAX, 2 * size);
    group.catch(() => {});
    return group;
  };
  for (let next = start(); ; ) {
    const group = await next;
    if (group.length === 0) return;
    next = start();
    yield* group;
  }
}

function taken<T>(from: Iterator<T>, count: number): T[] {
  const values: T[] = [];
  while (values.length < count) {
    const { value, done } = from.next();
    if (done === true) break;
    values.push(value);
  }
  return values;
}

async function lookUp(
  paths: readonly string[],
  { files, book, stores, space }: PoseFilesOptions,
): Promise<LookedUp[]> {
  const queue = new PQueue({ concurrency: FETCHES_AT_ONCE });
  const states = await Promise.all(
    paths.map((path) =>
      // What cannot be looked at is opened, and tells why it cannot be read.
      path === "-" ? undefined : queue.add(() => files.stat(path).catch(() => undefined)),
    ),
  );
  const keys = states.map((state, i) =>
    state?.isFile ? book?.keyOf(paths[i]!, state) : undefined,
  );
  const entries = (await book?.find(keys)) ?? keys.map(() => undefined);
  const isKnown = await haveResults(entries, stores, space);
  return paths.map((path, i) => ({
    path,
    state: states[i],
    key: keys[i],
    known: isKnown[i] ? entries[i] : undefined,
  }));
}

/** Of each file whether all its poses have results. */
async function haveResults(
  files: readonly (readonly PoseEntry[] | undefined)[],
  stores: readonly ResultStore[],
  space: SpaceDigest,
): Promise<boolean[]> {
  const wanted = new Map<string, ContentKey>();
  const keysOf = (entries: readonly PoseEntry[]) =>
    entries.flatMap((entry) => ("digest" in entry ? [contentKey(space, entry.digest)] : []));
  for (const entries of files) {
    for (const key of keysOf(entries ?? [])) wanted.set(key.toString("latin1"), key);
  }
  for (const store of stores) {
    const left = [...wanted.values()];
    if (left.length === 0) break;
    const sorted = ascending(left).map((at) => left[at]!);
    const { shards } = await store.lookup(Buffer.concat(sorted));
    sorted.forEach((key, i) => {
      if (shards[i]! >= 0) wanted.delete(key.toString("latin1"));
    });
  }
  return files.map(
    (entries) =>
      entries !== undefined && keysOf(entries).every((key) => !wanted.has(key.toString("latin1"))),
  );
}
