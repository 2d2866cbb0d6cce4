/**
 * Pulling a hub repository's model into the cache.
 *
 * Owns: the order: configuration, then text, then weights or their index, then shards, then the
 * ref. Invariant: only configuration, tokenizer text and weights are ever fetched, and each file
 * is linked only after it was checked. Deliberately not here: requests (hub-client.ts), one blob's
 * way to disk (blob-store.ts).
 */
import { join } from "node:path";
import PQueue from "p-queue";
import { RaysidueError } from "../base/errors.ts";
import type { BlobSink } from "./blob-sink.ts";
import { readModelConfig } from "./config.ts";
import { hubEndpoint, hubToken } from "./environment.ts";
import { HubClient, type HubFile, type HubRevision } from "./hub-client.ts";
import { TransientFailure } from "./hub-http.ts";
import { CONFIG_NAME, findWeights, noWeights, readShardNames, textFiles } from "./model-files.ts";
import type { PullContext } from "./pull-context.ts";

/** Enough to fill a link while one file's connection starts; more annoys servers. */
const CONCURRENT_FILES = 4;

/** Pulls `name` (`owner/name`) at its main revision. Errors as pullModel. */
export async function pullFromHub(name: string, context: PullContext): Promise<void> {
  const { environment, options } = context;
  const client = new HubClient({
    endpoint: hubEndpoint(environment),
    token: await hubToken(environment),
    signal: options.signal,
    attemptsMax: options.attemptsMax,
    backoffMs: options.backoffMs,
    stallMs: options.stallMs,
  });
  const revision = await client.revision(name, "main");
  await new HubPull(client, revision, context).run();
}

class HubPull {
  readonly #client: HubClient;
  readonly #revision: HubRevision;
  readonly #context: PullContext;

  constructor(client: HubClient, revision: HubRevision, context: PullContext) {
    this.#client = client;
    this.#revision = revision;
    this.#context = context;
  }

  async run(): Promise<void> {
    const { repo, store } = this.#context;
    const { commit, files } = this.#revision;
    const folder = repo.snapshotFolder(commit);
    const where = `${this.#client.http.endpoint}/${this.#revision.repo}`;
    if (!files.has(CONFIG_NAME)) {
      throw new RaysidueError("bad-input", `${where}: no ${CONFIG_NAME}, so no model this can run`);
    }
    const weights = findWeights(files.keys());
    if (weights === undefined) throw noWeights(where);
    // The configuration first: an architecture that cannot run must not cost gigabytes.
    await this.#fetch([CONFIG_NAME]);
    await readModelConfig(join(folder, CONFIG_NAME));
    await this.#fetch([...textFiles(files.keys()), weights.name]);
    if (weights.isIndex) {
      const shards = await readShardNames(join(folder, weights.name));
      const missing = shards.find((shard) => !files.has(shard));
      if (missing !== undefined) {
        const text = `${where}: ${weights.name} names ${missing}, which is not there`;
        throw new RaysidueError("bad-input", text);
      }
      await this.#fetch(shards);
    }
    await repo.writeRef("main", commit);
    await store.sweep();
  }

  /** Fetches and links files; after a failure starts no more, waits for what runs, throws it. */
  async #fetch(names: readonly string[]): Promise<void> {
    const { repo, store } = this.#context;
    const planned = [];
    for (const name of names) {
      const file = await this.#client.fileOf(this.#revision, name);
      const label = `${this.#revision.repo}/${name}`;
      const request = { label, sizeBytes: file.sizeBytes, digest: file.digest };
      planned.push({ file, request, isHere: await store.has(request) });
    }
    const missing = planned.filter(({ isHere }) => !isHere);
    await this.#context.announce(missing.map(({ request }) => request));
    const queue = new PQueue({ concurrency: CONCURRENT_FILES });
    let failure: { thrown: unknown } | undefined;
    for (const { file, request, isHere } of planned) {
      const job = async () => {
        if (failure !== undefined) return;
        if (!isHere) await store.get(request, (sink) => this.#download(file, sink));
        await repo.linkFile(this.#revision.commit, file.name, file.digest);
      };
      queue.add(job).catch((thrown: unknown) => {
        failure ??= { thrown };
      });
    }
    await queue.onIdle();
    if (failure !== undefined) throw failure.thrown;
  }

  /** Downloads what the sink lacks, going on after each break where it stopped. */
  async #download(file: HubFile, sink: BlobSink): Promise<void> {
    const advance = () => this.#context.advance("fetch", file.name, sink.sizeBytes);
    advance();
    await this.#client.http.retry(async (hasProgressed) => {
      if (sink.isComplete) return;
      const { start, body } = await this.#client.open(this.#revision, file, sink.sizeBytes);
      if (start !== sink.sizeBytes) await sink.restart();
      for await (const chunk of body) {
        await sink.write(chunk);
        hasProgressed();
        advance();
      }
      // A server that ends early without an error: ask for the rest.
      if (!sink.isComplete) {
        const got = `${sink.sizeBytes} of ${file.sizeBytes} bytes`;
        throw new TransientFailure(
          `${this.#revision.repo}/${file.name}: it ended after ${got}`,
          {},
        );
      }
    });
  }
}
