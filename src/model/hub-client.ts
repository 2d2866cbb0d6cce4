/**
 * The hub's protocol: what a repository holds, and a file's bytes.
 *
 * Owns: the two requests (`/api/models/REPO/revision/REF` and `/REPO/resolve/COMMIT/FILE`), the
 * digests they promise, and what the hub's refusals mean to a user. Invariant: each file has a
 * size and a digest before it is fetched. Deliberately not here: retries (hub-http.ts), disk
 * (blob-download.ts). Source: https://huggingface.co/docs/hub/api
 */
import { z } from "zod";
import { RaysidueError } from "../base/errors.ts";
import { nearestNames } from "./catalog.ts";
import { type BlobDigest, parseBlobDigest } from "./digests.ts";
import { type HttpAnswer, type HttpOptions, HubHttp, TransientFailure } from "./hub-http.ts";

export interface HubFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly digest: BlobDigest;
}

/** A repository at one commit. */
export interface HubRevision {
  readonly repo: string;
  /** 40 hex digits. */
  readonly commit: string;
  /** Sizes and digests where the hub has told them already. */
  readonly files: ReadonlyMap<string, HubFile | undefined>;
}

const REVISION = z.object({
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  siblings: z
    .array(
      z.object({
        rfilename: z.string(),
        size: z.number().int().min(0).nullish(),
        blobId: z.string().nullish(),
        lfs: z.object({ sha256: z.string(), size: z.number().int().min(0) }).nullish(),
      }),
    )
    .max(100_000),
});

/** The answer on a repository of 100,000 files has some 20 MB. */
const ANSWER_BYTES_MAX = 32 * 1024 * 1024;

export class HubClient {
  readonly http: HubHttp;
  readonly #hasToken: boolean;

  constructor(options: HttpOptions) {
    this.http = new HubHttp(options);
    this.#hasToken = options.token !== undefined;
  }

  /** What `repo` holds at `revision`. Throws RaysidueError that says what to do. */
  async revision(repo: string, revision: string): Promise<HubRevision> {
    const path = `api/models/${repo}/revision/${encodeURIComponent(revision)}?blobs=true`;
    const url = `${this.http.endpoint}/${path}`;
    const text = await this.http.retry(async () => {
      const answer = await this.http.send({ method: "GET", url });
      if (answer.status !== 200) throw await this.#refusal(answer, repo);
      return readText(answer, url);
    });
    let parsed: z.infer<typeof REVISION>;
    try {
      parsed = REVISION.parse(JSON.parse(text));
    } catch (cause) {
      const advice = "is HF_ENDPOINT a Hugging Face hub, or does a proxy answer in its place?";
      throw new RaysidueError("unavailable", `${url}: not a hub's answer; ${advice}`, { cause });
    }
    const files = new Map<string, HubFile | undefined>();
    for (const { rfilename: name, size, blobId, lfs } of parsed.siblings) {
      const digest = parseBlobDigest(lfs?.sha256 ?? blobId ?? "");
      const sizeBytes = lfs?.size ?? size;
      const isKnown = digest !== undefined && typeof sizeBytes === "number";
      files.set(name, isKnown ? { name, sizeBytes, digest } : undefined);
    }
    return { repo, commit: parsed.sha, files };
  }

  /** Size and digest of a file; asks for them where the revision did not say. */
  async fileOf(revision: HubRevision, name: string): Promise<HubFile> {
    const known = revision.files.get(name);
    if (known !== undefined) return known;
    const url = this.#resolveUrl(revision, name);
    return this.http.retry(async () => {
      const answer = await this.http.send({ method: "HEAD", url, staysOnHub: true });
      if (answer.status >= 400) throw await this.#refusal(answer, revision.repo, name);
      await discard(answer);
      const { headers } = answer;
      const etag = headers.get("x-linked-etag") ?? headers.get("etag") ?? "";
      const digest = parseBlobDigest(etag.replace(/^W\//, "").replaceAll('"', ""));
      const sizeBytes = Number(headers.get("x-linked-size") ?? headers.get("content-length") ?? -1);
      if (digest === undefined || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
        const what = `${url}: the server tells no digest or size, so the file cannot be checked`;
        throw new RaysidueError("unavailable", `${what}; use another HF_ENDPOINT`);
      }
      return { name, sizeBytes, digest };
    });
  }

  /**
   * One attempt at a file's bytes from `offset` on. `start` is where the answer really begins: 0
   * where the server ignores ranges. Throws TransientFailure or RaysidueError.
   */
  async open(
    revision: HubRevision,
    file: HubFile,
    offset: number,
  ): Promise<{ start: number; body: AsyncIterable<Uint8Array> }> {
    const url = this.#resolveUrl(revision, file.name);
    const answer = await this.http.send({ method: "GET", url, rangeStart: offset });
    if (answer.status === 200) return { start: 0, body: answer.body };
    if (answer.status === 206) {
      const range = answer.finalHeaders.get("content-range") ?? "";
      const start = Number(/^bytes (\d+)-\d+\/(\d+|\*)$/.exec(range)?.[1] ?? Number.NaN);
      if (start === offset) return { start, body: answer.body };
      await discard(answer);
      throw new TransientFailure(`${url}: another range than asked for (${range})`, {});
    }
    throw await this.#refusal(answer, revision.repo, file.name);
  }

  #resolveUrl(revision: HubRevision, name: string): string {
    const { repo, commit } = revision;
    return `${this.http.endpoint}/${repo}/resolve/${commit}/${encodeURIComponent(name)}`;
  }

  async #refusal(answer: HttpAnswer, repo: string, file?: string): Promise<RaysidueError> {
    await discard(answer);
    const { status, headers } = answer;
    const code = headers.get("x-error-code") ?? "";
    const page = `${this.http.endpoint}/${repo}`;
    const say = (kind: "usage" | "unavailable", text: string) => new RaysidueError(kind, text);
    if (code === "GatedRepo" || (status === 403 && code === "")) {
      const how = `accept its terms at ${page} and set HF_TOKEN to your token`;
      return say("unavailable", `${repo} is gated on the hub: ${how}`);
    }
    if (code === "EntryNotFound" && file !== undefined) {
      return say("unavailable", `${repo} has no file ${file} on the hub; pull the model again`);
    }
    // For a repository that is missing or private the hub says 401 without a token, 404 with one.
    if (status === 404 || status === 401) {
      const check = this.#hasToken
        ? "check the name and HF_TOKEN"
        : "check the name, or set HF_TOKEN";
      const known = `known names near it: ${nearestNames(repo).join(", ")}`;
      return say(
        "usage",
        `no model ${repo} at ${this.http.endpoint}, or it is private: ${check}; ${known}`,
      );
    }
    return say(
      "unavailable",
      `${page}${file === undefined ? "" : `/${file}`}: HTTP status ${status}`,
    );
  }
}

async function discard(answer: HttpAnswer): Promise<void> {
  // Leaving the loop at once cancels the body and frees its connection.
  for await (const _chunk of answer.body) break;
}

async function readText(answer: HttpAnswer, url: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of answer.body) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > ANSWER_BYTES_MAX) {
      throw new RaysidueError(
        "unavailable",
        `${url}: an answer of more than ${ANSWER_BYTES_MAX} bytes`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
