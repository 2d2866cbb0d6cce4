/**
 * What is known of a fleet's daemons, followed by one long poll for all of them.
 *
 * Owns: the latest status of each and who waits for a newer one. Invariant: a status never gets
 * older, unless its agent was replaced. A cluster out of reach is no news of its daemons: it is
 * asked again, with back-off.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Deferred } from "../base/deferred.ts";
import type { DaemonStatus } from "../rpc/bridge-messages.ts";
import type { RayCluster } from "./cluster.ts";
import { Silence } from "./silence.ts";

/** A poll that is under way does not know of a daemon that is added: it must be short. */
const POLL_SECONDS = 1;
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 5000;

export class DaemonBoard {
  readonly #cluster: RayCluster;
  readonly #silence: Silence;
  readonly #statuses = new Map<string, DaemonStatus>();
  readonly #stop = new AbortController();
  #change = new Deferred<void>();
  #following: Promise<void> | undefined;

  constructor(cluster: RayCluster, onNotice: (text: string) => void) {
    this.#cluster = cluster;
    this.#silence = new Silence("the Ray cluster", onNotice);
  }

  /** The last poll failed: what is known may be old. */
  get isOutOfReach(): boolean {
    return this.#silence.isSilent;
  }

  get all(): readonly DaemonStatus[] {
    return [...this.#statuses.values()];
  }

  /** Follows a daemon from this status on. */
  add(status: DaemonStatus): void {
    this.#statuses.set(status.name, status);
    this.#following ??= this.#follow();
    this.#announce();
  }

  remove(name: string): void {
    this.#statuses.delete(name);
    this.#announce();
  }

  /** The next status of a daemon for which `accepts` holds, or undefined once it is removed. */
  async when(
    name: string,
    accepts: (status: DaemonStatus) => boolean,
  ): Promise<DaemonStatus | undefined> {
    for (;;) {
      const status = this.#statuses.get(name);
      if (status === undefined || this.#stop.signal.aborted) return undefined;
      if (accepts(status)) return status;
      await this.#change.promise;
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#announce();
    await this.#following;
  }

  async #follow(): Promise<void> {
    let backoffMs = BACKOFF_FIRST_MS;
    while (!this.#stop.signal.aborted) {
      const asked = this.all;
      if (asked.length === 0) {
        await this.#change.promise;
        continue;
      }
      const poll = () => this.#cluster.followDaemons(asked, POLL_SECONDS);
      const { signal } = this.#stop;
      const changed = await this.#silence.ask(poll, { seconds: POLL_SECONDS, signal });
      if (changed === undefined) {
        await this.#pause(backoffMs);
        backoffMs = Math.min(BACKOFF_MAX_MS, backoffMs * 2);
        continue;
      }
      backoffMs = BACKOFF_FIRST_MS;
      for (const status of changed) this.#take(status, asked);
      // A lost daemon is told of at once, every time.
      if (changed.every(({ state }) => state === "lost") && changed.length > 0) {
        await this.#pause(BACKOFF_FIRST_MS * 2);
      }
    }
  }

  /** Takes news, unless the daemon was replaced or removed while they were on their way. */
  #take(status: DaemonStatus, asked: readonly DaemonStatus[]): void {
    const before = asked.find(({ name }) => name === status.name);
    if (before === undefined || this.#statuses.get(status.name) !== before) return;
    if (before.state === "lost" && status.state === "lost") return;
    this.#statuses.set(status.name, status);
    this.#announce();
  }

  #announce(): void {
    const change = this.#change;
    this.#change = new Deferred();
    change.resolve();
  }

  #pause(ms: number): Promise<void> {
    return delay(ms, undefined, { signal: this.#stop.signal }).catch(() => {});
  }
}
