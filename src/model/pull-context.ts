/**
 * What the two ways of pulling a model share.
 *
 * Owns: the options and progress of a pull, its place in the cache, and its count of bytes.
 * Invariant: space is checked before bytes are announced. Deliberately not here: protocols.
 */
import type { BlobRequest } from "./blob-sink.ts";
import { BlobStore } from "./blob-store.ts";
import type { Environment } from "./environment.ts";
import type { CachedRepo } from "./hub-cache.ts";
import { digestMemoryOf, type LocateOptions } from "./locate.ts";

export interface PullProgress {
  /** `wait`: another process pulls it; `fetch`, `unpack`: bytes arrive; `check`: digests are read. */
  readonly phase: "wait" | "fetch" | "unpack" | "check";
  /** The file concerned; empty while waiting. */
  readonly file: string;
  /** Of this pull's files together; both 0 while unknown. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface PullOptions extends LocateOptions {
  /** Never touch the network; HF_HUB_OFFLINE=1 does the same. */
  readonly offline?: boolean | undefined;
  readonly onProgress?: ((progress: PullProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For tests and impatient networks: see HttpOptions. */
  readonly attemptsMax?: number | undefined;
  readonly backoffMs?: number | undefined;
  readonly stallMs?: number | undefined;
}

export class PullContext {
  readonly repo: CachedRepo;
  readonly store: BlobStore;
  readonly options: PullOptions;
  readonly environment: Environment;
  #totalBytes = 0;
  readonly #doneBytes = new Map<string, number>();

  constructor(repo: CachedRepo, options: PullOptions) {
    this.repo = repo;
    this.options = options;
    this.environment = options.environment ?? process.env;
    this.store = new BlobStore(repo, digestMemoryOf(options));
  }

  /** Counts blobs that will be fetched. Throws "try-again" where they, and `extraBytes`, do not fit. */
  async announce(requests: readonly BlobRequest[], extraBytes = 0): Promise<void> {
    if (requests.length === 0) return;
    await this.store.checkSpace(requests, extraBytes);
    this.#totalBytes += requests.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** Tells how far `file` is. */
  advance(phase: PullProgress["phase"], file: string, fileBytes: number): void {
    this.#doneBytes.set(file, fileBytes);
    this.report(phase, file);
  }

  report(phase: PullProgress["phase"], file: string): void {
    let doneBytes = 0;
    for (const bytes of this.#doneBytes.values()) doneBytes += bytes;
    this.options.onProgress?.({ phase, file, doneBytes, totalBytes: this.#totalBytes });
  }
}
