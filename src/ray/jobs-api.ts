/**
 * A bridge started by Ray's Jobs REST API, where only the head's dashboard port is known.
 *
 * Owns: the bridge's files as a package of Ray's, the job, and its end. Invariant: the job it
 * started is stopped with the connection; daemons that are to stay do so without it.
 * Source: the Jobs REST API in Ray's documentation.
 */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { zipSync } from "fflate";
import { z } from "zod";
import { messageOf, RaysidueError } from "../base/errors.ts";
import type { TlsFiles } from "../rpc/tls.ts";
import { BridgeCluster } from "./bridge-cluster.ts";
import type { RayCluster } from "./cluster.ts";

const BRIDGE_FOLDER = new URL("../../../cluster/bridge/", import.meta.url);
const BRIDGE_FILES = ["agent.py", "bridge.binpb", "operations.py", "server.py"];
/** A job's process starts within seconds; on a busy head it takes half a minute. */
const START_MS = 90_000;
const POLL_MS = 250;
const ANSWER_MS = 20_000;
/** A job's log is short; a longer answer is none of Ray's. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

export interface BridgeJobOptions {
  /** Of the dashboard: `http://HOST:8265`. */
  readonly url: string;
  /** Where the head is reached. */
  readonly host: string;
  /** Of Ray; absent: none. */
  readonly token: string | undefined;
  /** Of `https://`, where a proxy stands before the dashboard. */
  readonly tls?: TlsFiles | undefined;
}

const jobSchema = z.object({ status: z.string(), message: z.string().nullish() });

/** Throws RaysidueError "unavailable", "unauthenticated" or "try-again". */
export async function startBridgeJob(options: BridgeJobOptions): Promise<RayCluster> {
  const api = new JobsApi(options);
  const token = randomBytes(24).toString("base64url");
  const uri = await api.upload(await bridgeZip());
  const id = `raysidue-bridge-${randomBytes(6).toString("hex")}`;
  await api.submit({
    submission_id: id,
    entrypoint: "python server.py --listen 0.0.0.0:0",
    runtime_env: { working_dir: uri, env_vars: { RAYSIDUE_TOKEN: token } },
  });
  try {
    const port = await bridgePort(api, id);
    const address = `${options.host}:${port}`;
    return await BridgeCluster.connect({ address, token, onClosed: () => api.stop(id) });
  } catch (thrown) {
    await api.stop(id);
    throw thrown;
  }
}

async function bridgePort(api: JobsApi, id: string): Promise<number> {
  const deadline = Date.now() + START_MS;
  for (;;) {
    const logs = await api.logs(id);
    const port = /bridge:\/\/[^:\s]+:(\d+)/.exec(logs)?.[1];
    if (port !== undefined) return Number(port);
    const { status, message } = await api.job(id);
    if (status === "FAILED" || status === "STOPPED") {
      const tail = logs.trim().split("\n").slice(-2).join("; ");
      const text = `the bridge's job ended at its start: ${message ?? status} ${tail}`;
      throw new RaysidueError("unavailable", text.replace(/\s*\n\s*/g, "; ").slice(0, 500));
    }
    if (Date.now() > deadline) {
      const text = `the bridge's job is ${status} after ${START_MS / 1000} s; is the head busy?`;
      throw new RaysidueError("try-again", text);
    }
    await delay(POLL_MS);
  }
}

async function bridgeZip(): Promise<Uint8Array> {
  const files: Record<string, Uint8Array> = {};
  for (const name of BRIDGE_FILES) {
    files[name] = await readFile(fileURLToPath(new URL(name, BRIDGE_FOLDER)));
  }
  // The same files must give the same bytes: Ray knows a package by its name only.
  return zipSync(files, { mtime: new Date(1980, 0, 1) });
}

class JobsApi {
  readonly #url: string;
  readonly #token: string | undefined;
  readonly #tls: TlsFiles | undefined;

  constructor({ url, token, tls }: BridgeJobOptions) {
    this.#url = url;
    this.#token = token;
    this.#tls = tls;
  }

  /** The URI of a package with these bytes. */
  async upload(zip: Uint8Array): Promise<string> {
    const digest = createHash("sha256").update(zip).digest("hex").slice(0, 32);
    const name = `_ray_pkg_raysidue${digest}.zip`;
    const path = `/api/packages/gcs/${name}`;
    const known = await this.#fetch(path, { method: "GET" });
    if (known.status === 404) {
      const answer = await this.#fetch(path, { method: "PUT", body: zip });
      this.#expectOk(answer, "uploading the bridge");
    }
    return `gcs://${name}`;
  }

  async submit(job: object): Promise<void> {
    const body = JSON.stringify(job);
    const answer = await this.#fetch("/api/jobs/", { method: "POST", body });
    this.#expectOk(answer, "submitting the bridge's job");
  }

  async job(id: string): Promise<z.infer<typeof jobSchema>> {
    const answer = await this.#fetch(`/api/jobs/${id}`, { method: "GET" });
    this.#expectOk(answer, "asking for the bridge's job");
    return jobSchema.parse(JSON.parse(answer.text));
  }

  /** Empty while there are none. */
  async logs(id: string): Promise<string> {
    const answer = await this.#fetch(`/api/jobs/${id}/logs`, { method: "GET" });
    if (answer.status !== 200) return "";
    return z.object({ logs: z.string().nullish() }).parse(JSON.parse(answer.text)).logs ?? "";
  }

  /** Ends the job; that it has ended already is no error. */
  async stop(id: string): Promise<void> {
    await this.#fetch(`/api/jobs/${id}/stop`, { method: "POST" }).catch(() => {});
  }

  async #fetch(path: string, init: { method: string; body?: string | Uint8Array }) {
    const headers: Record<string, string> = {};
    if (this.#token !== undefined) headers.authorization = `Bearer ${this.#token}`;
    if (typeof init.body === "string") headers["content-type"] = "application/json";
    try {
      return await exchange(new URL(path, this.#url), { ...init, headers, tls: this.#tls });
    } catch (thrown) {
      const text = `no Ray dashboard answers at ${this.#url} (${messageOf(thrown)})`;
      const advice =
        this.#tls === undefined
          ? "start the head with --include-dashboard=true, or use bridge:// or ray://"
          : "check the address, and that RAYSIDUE_TLS_CA is the authority of what answers there";
      throw new RaysidueError("unavailable", `${text}; ${advice}`, { cause: thrown });
    }
  }

  #expectOk({ status, text }: Answer, doing: string): void {
    if (status >= 200 && status < 300) return;
    if (status === 401 || status === 403) {
      const advice = "set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH";
      throw new RaysidueError("unauthenticated", `${this.#url} refused the token; ${advice}`);
    }
    const said = text.replace(/\s*\n\s*/g, "; ").slice(0, 300);
    throw new RaysidueError("unavailable", `${this.#url}: ${doing}: ${status} ${said}`);
  }
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** One request. Not by `fetch`: it sends headers by which Ray takes us for a browser, and refuses. */
async function exchange(
  url: URL,
  init: {
    method: string;
    headers: Record<string, string>;
    body?: string | Uint8Array;
    tls: TlsFiles | undefined;
  },
): Promise<Answer> {
  const { method, headers, body, tls } = init;
  const { authority, certificate, key, serverName } = tls ?? {};
  const request = (tls === undefined ? http : https).request(url, {
    method,
    headers,
    ...(authority && { ca: authority }),
    ...(certificate && { cert: certificate }),
    ...(key && { key }),
    ...(serverName && { servername: serverName }),
    agent: false,
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  request.end(body);
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  const pieces: Buffer[] = [];
  for await (const piece of response) {
    pieces.push(piece as Buffer);
    if (pieces.reduce((sum, { length }) => sum + length, 0) > ANSWER_BYTES_MAX) break;
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString("utf8") };
}
