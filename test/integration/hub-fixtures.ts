/**
 * Repositories for the local hub, and a cache of one's own to pull them into.
 *
 * Owns: the fixtures that tests of pulling share. Invariant: everything is made from the small
 * checkpoint in test/data or from seeds; nothing real is fetched.
 */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { PullOptions } from "../../src/model/pull-context.ts";
import type { HubFileFixture, HubRepoFixture } from "./hub-server.ts";

export const TINY_FOLDER = fileURLToPath(new URL("../../../test/data/esm2-tiny", import.meta.url));

export const WEIGHTS = "model.safetensors";

/** The small checkpoint as the hub would hold ESM-2, with files that must never be fetched. */
export async function tinyRepo(): Promise<HubRepoFixture & { weights: Buffer }> {
  const read = (name: string) => readFile(join(TINY_FOLDER, name));
  const weights = await read(WEIGHTS);
  const files: Record<string, HubFileFixture> = {
    ".gitattributes": { content: Buffer.from("*.bin filter=lfs\n") },
    "README.md": { content: Buffer.from("# tiny\n") },
    "config.json": { content: await read("config.json") },
    "vocab.txt": { content: await read("vocab.txt") },
    "special_tokens_map.json": { content: Buffer.from("{}\n") },
    [WEIGHTS]: { content: weights, isLfs: true },
    "pytorch_model.bin": { content: Buffer.from("a pickle, never wanted"), isLfs: true },
    "tf_model.h5": { content: Buffer.from("never wanted"), isLfs: true },
  };
  return { files, weights };
}

/** An empty cache, an environment that points to `endpoint` and knows nothing of this machine. */
export class PullPlace {
  readonly folder: string;
  readonly environment: Record<string, string>;

  private constructor(folder: string, endpoint: string) {
    this.folder = folder;
    this.environment = {
      PATH: process.env.PATH ?? "",
      HOME: join(folder, "home"),
      HF_HOME: join(folder, "hf"),
      RAYSIDUE_CACHE_DIR: join(folder, "own"),
      HF_ENDPOINT: endpoint,
    };
  }

  static async make(endpoint: string): Promise<PullPlace> {
    return new PullPlace(await mkdtemp(join(tmpdir(), "raysidue-pull-")), endpoint);
  }

  get hub(): string {
    return join(this.folder, "hf", "hub");
  }

  get options(): PullOptions {
    return { environment: this.environment, backoffMs: 5 };
  }

  /** The names in a repository's folder of blobs, sorted. */
  async blobs(repo: string): Promise<string[]> {
    const folder = join(this.hub, `models--${repo.replace("/", "--")}`, "blobs");
    return (await readdir(folder).catch((): string[] => [])).sort();
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Resolves once `isTrue` does; looks again whenever the event loop is free. */
export async function until(isTrue: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 5));
}
