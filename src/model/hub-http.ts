/**
 * HTTP as the hub needs it.
 *
 * Owns: one request with redirects, deadlines, the token and the proxies of the environment
 * (HTTPS_PROXY, HTTP_PROXY, NO_PROXY); and retrying with back-off. Invariant:
 * the token goes to the hub's own origin only, every wait has a limit, and what fails for good is
 * a RaysidueError. Deliberately not here: what the answers mean (hub-client.ts).
 */
import { setTimeout as delay } from "node:timers/promises";
import { EnvHttpProxyAgent, fetch, type Headers, type RequestInit, type Response } from "undici";
import { messageOf, RaysidueError } from "../base/errors.ts";

export interface HttpOptions {
  /** Origin and path prefix of the hub, without a trailing slash. */
  readonly endpoint: string;
  readonly token?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Attempts without any progress in between before giving up. */
  readonly attemptsMax?: number | undefined;
  /** First wait between attempts; doubles each time. */
  readonly backoffMs?: number | undefined;
  /** Longest silence of a server, before and within an answer. */
  readonly stallMs?: number | undefined;
}

const ATTEMPTS_MAX = 5;
const BACKOFF_MS = 500;
const BACKOFF_MAX_MS = 15_000;
/** A server that asks for more patience than this is told to the user instead. */
const RETRY_AFTER_MAX_MS = 120_000;
const STALL_MS = 30_000;
const REDIRECTS_MAX = 5;

/** A failure that may pass: the connection, a 429, a 5xx. */
export class TransientFailure extends Error {
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: { cause?: unknown; retryAfterMs?: number | undefined }) {
    super(message, { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs;
  }
}

export interface HttpRequest {
  readonly method: "GET" | "HEAD";
  readonly url: string;
  /** Ask for the bytes from here to the end. */
  readonly rangeStart?: number;
  /** Follow redirects that stay on the hub only; one that leaves is the answer (as for HEAD). */
  readonly staysOnHub?: boolean;
}

export interface HttpAnswer {
  readonly status: number;
  /** The hub's own headers, of its first answer with X-Repo-Commit or of the only one. */
  readonly headers: Headers;
  readonly finalHeaders: Headers;
  /** The body in chunks; throws TransientFailure when the connection breaks or stalls. */
  readonly body: AsyncIterable<Uint8Array>;
}

export class HubHttp {
  readonly endpoint: string;
  readonly #options: HttpOptions;
  // Node 20's own fetch takes no notice of proxies.
  readonly #dispatcher = new EnvHttpProxyAgent();

  constructor(options: HttpOptions) {
    this.endpoint = options.endpoint;
    this.#options = options;
  }

  /**
   * One request. Returns answers below 400 and those of 4xx that will not change; throws
   * TransientFailure for the rest, and RaysidueError "cancelled".
   */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const watch = new StallWatch(this.#options.stallMs ?? STALL_MS, this.#options.signal);
    try {
      const { response, hubHeaders } = await this.#follow(request, watch);
      const { status, headers: finalHeaders } = response;
      if (status === 429 || status === 408 || status >= 500) {
        await response.body?.cancel().catch(() => {});
        throw new TransientFailure(`${request.url}: HTTP status ${status}`, {
          retryAfterMs: retryAfterOf(finalHeaders),
        });
      }
      const body = readBody(response, watch, request.url);
      return { status, headers: hubHeaders, finalHeaders, body };
    } catch (thrown) {
      watch.stop();
      throw failureOf(thrown, request.url, this.#options.signal);
    }
  }

  async #follow(request: HttpRequest, watch: StallWatch) {
    const hubOrigin = new URL(this.endpoint).origin;
    let url = new URL(request.url);
    let hubHeaders: Headers | undefined;
    for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
      const headers: Record<string, string> = {
        // Compression would hide sizes and break ranges.
        "accept-encoding": "identity",
        "user-agent": "raysidue",
      };
      if (request.rangeStart !== undefined && request.rangeStart > 0) {
        headers.range = `bytes=${request.rangeStart}-`;
      }
      const { token } = this.#options;
      if (token !== undefined && url.origin === hubOrigin)
        headers.authorization = `Bearer ${token}`;
      const init: RequestInit = {
        method: request.method,
        headers,
        redirect: "manual",
        signal: watch.signal,
        dispatcher: this.#dispatcher,
      };
      const response = await fetch(url, init);
      watch.beat();
      const isNoted = hubHeaders?.has("x-repo-commit") === true;
      if (!isNoted) hubHeaders = response.headers;
      const location = response.headers.get("location");
      if (response.status < 300 || response.status >= 400 || location === null) {
        return { response, hubHeaders: hubHeaders! };
      }
      const next = new URL(location, url);
      if (request.staysOnHub === true && next.origin !== hubOrigin) {
        return { response, hubHeaders: hubHeaders! };
      }
      await response.body?.cancel();
      if (next.protocol !== "https:" && next.protocol !== url.protocol) {
        throw new RaysidueError(
          "unavailable",
          `${url.origin} redirects to ${next.protocol}, refused`,
        );
      }
      url = next;
    }
    throw new RaysidueError("unavailable", `${request.url}: more than ${REDIRECTS_MAX} redirects`);
  }

  /**
   * Runs `attempt` until it returns, waiting between failures that may pass. `attempt` tells
   * through `hasProgressed` that the next failure is the first again.
   */
  async retry<T>(attempt: (hasProgressed: () => void) => Promise<T>): Promise<T> {
    const attemptsMax = this.#options.attemptsMax ?? ATTEMPTS_MAX;
    let failures = 0;
    for (;;) {
      try {
        return await attempt(() => {
          failures = 0;
        });
      } catch (thrown) {
        if (!(thrown instanceof TransientFailure)) throw thrown;
        failures++;
        const waitMs = thrown.retryAfterMs ?? this.#backoffMs(failures);
        if (failures >= attemptsMax || waitMs > RETRY_AFTER_MAX_MS) throw gaveUp(thrown, failures);
        const { signal } = this.#options;
        await delay(waitMs, undefined, signal === undefined ? {} : { signal }).catch((cause) => {
          throw new RaysidueError("cancelled", "the download was cancelled", { cause });
        });
      }
    }
  }

  #backoffMs(failures: number): number {
    const base = (this.#options.backoffMs ?? BACKOFF_MS) * 2 ** (failures - 1);
    // Jitter keeps a hundred nodes from asking again in step.
    return Math.min(BACKOFF_MAX_MS, base) * (0.75 + Math.random() / 2);
  }
}

function gaveUp(failure: TransientFailure, failures: number): RaysidueError {
  const advice = "check the network, HF_ENDPOINT and proxies, then run the same command again";
  const waiting =
    failure.retryAfterMs === undefined
      ? ""
      : ` (it asks to wait ${Math.ceil(failure.retryAfterMs / 1000)} s)`;
  const text = `${failure.message}${waiting} after ${failures} attempts; ${advice} to resume`;
  return new RaysidueError("try-again", text, { cause: failure });
}

function failureOf(thrown: unknown, url: string, signal: AbortSignal | undefined): Error {
  if (thrown instanceof TransientFailure || thrown instanceof RaysidueError) return thrown;
  if (signal?.aborted === true) {
    return new RaysidueError("cancelled", "the download was cancelled", { cause: thrown });
  }
  // fetch says "fetch failed"; what failed is in the cause.
  const cause = (thrown as { cause?: unknown }).cause ?? thrown;
  const code = (cause as NodeJS.ErrnoException).code;
  const text = messageOf(cause) || code || "connection lost";
  return new TransientFailure(`${url}: ${text}`, { cause: thrown });
}

/** Retry-After in milliseconds: seconds or a date. */
function retryAfterOf(headers: Headers): number | undefined {
  const text = headers.get("retry-after");
  if (text === null) return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

async function* readBody(
  response: Response,
  watch: StallWatch,
  url: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      watch.beat();
      yield chunk;
      watch.beat();
    }
  } catch (thrown) {
    throw failureOf(thrown, url, watch.outer);
  } finally {
    watch.stop();
  }
}

/** Aborts a request whose server has been silent for too long, or when the caller says so. */
class StallWatch {
  readonly outer: AbortSignal | undefined;
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #onOuterAbort: () => void;

  constructor(stallMs: number, outer: AbortSignal | undefined) {
    this.outer = outer;
    this.#onOuterAbort = () => this.#controller.abort(outer?.reason);
    if (outer?.aborted === true) this.#onOuterAbort();
    outer?.addEventListener("abort", this.#onOuterAbort, { once: true });
    this.#timer = setTimeout(() => {
      this.#controller.abort(new Error(`no answer for ${stallMs / 1000} s`));
    }, stallMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  beat(): void {
    if (!this.signal.aborted) this.#timer.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.outer?.removeEventListener("abort", this.#onOuterAbort);
  }
}
