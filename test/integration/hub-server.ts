/**
 * A local server that speaks the Hugging Face hub's protocol.
 *
 * Owns: the revision API, `resolve` with the hub's headers, the redirect of large files to another
 * origin, ranges, gated and missing repositories; and faults on order. Invariant: it notes every
 * request, so that a test can say what was asked and with which credentials. Deliberately not here:
 * uploads, datasets, git.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Deferred } from "../../src/base/deferred.ts";

export interface HubFileFixture {
  readonly content: Buffer;
  /** Large files are in Git LFS: SHA-256 as etag, bytes from the other origin. */
  readonly isLfs?: boolean;
}

export interface HubRepoFixture {
  readonly files: Readonly<Record<string, HubFileFixture>>;
  readonly commit?: string;
  readonly isGated?: boolean;
}

/** What goes wrong with the next answer that delivers a file's bytes. */
export type Fault =
  | { readonly type: "status"; readonly status: number; readonly retryAfterSeconds?: number }
  /** The connection breaks after so many bytes. */
  | { readonly type: "cut"; readonly afterBytes: number }
  /** So many bytes come, the rest once `released` settles; `held` resolves when they are sent. */
  | { readonly type: "hold"; readonly afterBytes: number; readonly gate: Gate }
  /** Another byte than the file has. */
  | { readonly type: "flip"; readonly atByte: number }
  | { readonly type: "ignoreRange" };

export class Gate {
  readonly held = new Deferred<void>();
  readonly released = new Deferred<void>();
}

export interface NotedRequest {
  readonly origin: "hub" | "cdn";
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

export class HubServer {
  readonly requests: NotedRequest[] = [];
  /** Whether the revision API tells sizes and digests; a plain mirror does not. */
  tellsBlobs = true;
  readonly #repos: Readonly<Record<string, HubRepoFixture>>;
  readonly #faults = new Map<string, Fault[]>();
  readonly #servers: Server[] = [];
  #hubPort = 0;
  #cdnPort = 0;

  constructor(repos: Readonly<Record<string, HubRepoFixture>>) {
    this.#repos = repos;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#hubPort}`;
  }

  async start(): Promise<void> {
    this.#hubPort = await this.#listen("hub");
    this.#cdnPort = await this.#listen("cdn");
  }

  async close(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  /** Orders faults for the next deliveries of `file`, one each; `api` for the revision API. */
  order(file: string, ...faults: Fault[]): void {
    this.#faults.set(file, [...(this.#faults.get(file) ?? []), ...faults]);
  }

  /** Deliveries (GET with bytes) of `file` that were asked for. */
  deliveries(file: string): NotedRequest[] {
    return this.requests.filter(
      ({ method, path, origin }) =>
        method === "GET" &&
        path.endsWith(`/${file}`) &&
        (origin === "cdn" || !this.#isLfs(path, file)),
    );
  }

  #isLfs(path: string, file: string): boolean {
    const repo = Object.keys(this.#repos).find((name) => path.startsWith(`/${name}/`));
    return repo !== undefined && this.#repos[repo]!.files[file]?.isLfs === true;
  }

  async #listen(origin: "hub" | "cdn"): Promise<number> {
    const server = createServer((request, response) => {
      const path = decodeURIComponent(new URL(request.url ?? "/", this.endpoint).pathname);
      const { range, authorization } = request.headers;
      this.requests.push({ origin, method: request.method ?? "", path, range, authorization });
      if (origin === "cdn") this.#deliver(path.replace(/^\/cdn/, ""), request, response);
      else this.#answer(path, request, response);
    });
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  }

  #answer(path: string, request: IncomingMessage, response: ServerResponse): void {
    const api = /^\/api\/models\/([^/]+\/[^/]+)\/(revision|tree)\/[^/]+$/.exec(path);
    const resolve = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(path);
    const name = api?.[1] ?? resolve?.[1] ?? "";
    const repo = Object.hasOwn(this.#repos, name) ? this.#repos[name]! : undefined;
    if (repo === undefined) {
      // Without a token the real hub does not tell a missing repository from a private one.
      const status = request.headers.authorization === undefined ? 401 : 404;
      return refuse(response, status, "RepoNotFound", "Repository not found");
    }
    if (api?.[2] === "tree") return tellTree(repo, response);
    if (api !== null) return this.#tellRevision(repo, name, response);
    if (repo.isGated === true && request.headers.authorization !== "Bearer accepted") {
      return refuse(response, 403, "GatedRepo", "Access to this model is restricted");
    }
    const file = repo.files[resolve?.[3] ?? ""];
    if (file === undefined) return refuse(response, 404, "EntryNotFound", "Entry not found");
    response.setHeader("X-Repo-Commit", repo.commit ?? COMMIT);
    response.setHeader("Accept-Ranges", "bytes");
    const etag = `"${etagOf(file)}"`;
    if (file.isLfs !== true) {
      response.setHeader("ETag", etag);
      return this.#deliver(path, request, response);
    }
    response.setHeader("X-Linked-Etag", etag);
    response.setHeader("X-Linked-Size", file.content.length);
    response.setHeader("Location", `http://127.0.0.1:${this.#cdnPort}/cdn${path}`);
    response.writeHead(302).end();
  }

  #tellRevision(repo: HubRepoFixture, id: string, response: ServerResponse): void {
    const fault = this.#faults.get("api")?.shift();
    if (fault?.type === "status") return failWith(fault, response);
    const siblings = Object.entries(repo.files).map(([rfilename, file]) => ({
      rfilename,
      ...(this.tellsBlobs && {
        size: file.content.length,
        blobId: gitSha1(file.content),
        ...(file.isLfs && { lfs: lfsOf(file) }),
      }),
    }));
    const body = { id, sha: repo.commit ?? COMMIT, private: false, tags: [], siblings };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(body));
  }

  #deliver(path: string, request: IncomingMessage, response: ServerResponse): void {
    const [, name, fileName] = /^\/([^/]+\/[^/]+)\/resolve\/[^/]+\/(.+)$/.exec(path) ?? [];
    const file = this.#repos[name ?? ""]?.files[fileName ?? ""];
    if (file === undefined || fileName === undefined) {
      response.writeHead(404).end();
      return;
    }
    const fault = request.method === "GET" ? this.#faults.get(fileName)?.shift() : undefined;
    if (fault?.type === "status") return failWith(fault, response);
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? "");
    const start = range === null || fault?.type === "ignoreRange" ? 0 : Number(range[1]);
    const { content } = file;
    if (start > 0) {
      response.statusCode = 206;
      const extent = `bytes ${start}-${content.length - 1}/${content.length}`;
      response.setHeader("Content-Range", extent);
    }
    response.setHeader("Content-Length", content.length - start);
    if (request.method === "HEAD") {
      response.end();
      return;
    }
    void send(content, start, response, fault);
  }
}

async function send(
  content: Buffer,
  start: number,
  response: ServerResponse,
  fault: Fault | undefined,
): Promise<void> {
  const bytes = Buffer.from(content.subarray(start));
  if (fault?.type === "flip") bytes[fault.atByte - start]! ^= 1;
  if (fault?.type !== "cut" && fault?.type !== "hold") {
    response.end(bytes);
    return;
  }
  await new Promise((resolve) => response.write(bytes.subarray(0, fault.afterBytes), resolve));
  if (fault.type === "cut") {
    response.destroy();
    return;
  }
  fault.gate.held.resolve();
  await fault.gate.released.promise;
  response.end(bytes.subarray(fault.afterBytes));
}

function failWith(fault: Extract<Fault, { type: "status" }>, response: ServerResponse): void {
  if (fault.retryAfterSeconds !== undefined) {
    response.setHeader("Retry-After", fault.retryAfterSeconds);
  }
  response.writeHead(fault.status).end("fault on order");
}

function refuse(response: ServerResponse, status: number, code: string, text: string): void {
  response.setHeader("X-Error-Code", code);
  response.setHeader("X-Error-Message", text);
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ error: text }));
}

/** The list of files that huggingface_hub asks for from version 1 on. */
function tellTree(repo: HubRepoFixture, response: ServerResponse): void {
  const entries = Object.entries(repo.files).map(([path, file]) => ({
    type: "file",
    path,
    oid: gitSha1(file.content),
    size: file.content.length,
    ...(file.isLfs && { lfs: { ...lfsOf(file), oid: etagOf(file) } }),
  }));
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(entries));
}

/** As the revision API describes a file of Git LFS; a pointer file has some 130 bytes. */
function lfsOf(file: HubFileFixture): { sha256: string; size: number; pointerSize: number } {
  return { sha256: etagOf(file), size: file.content.length, pointerSize: 134 };
}

export function gitSha1(content: Buffer): string {
  return createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
}

export function etagOf(file: HubFileFixture): string {
  if (file.isLfs !== true) return gitSha1(file.content);
  return createHash("sha256").update(file.content).digest("hex");
}
