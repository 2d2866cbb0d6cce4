/**
 * The virtual network: messages take time, and in a bad one worse happens to them.
 *
 * Owns: delay, order, loss and doubling of messages between two ends. A good link keeps their order
 * as a TCP connection does; a bad one drops, doubles and reorders at the given rates.
 */

import type { Random } from "../base/random.ts";
import type { EventQueue } from "./event-queue.ts";

export interface NetworkQuality {
  readonly latencyMs: number;
  readonly jitterMs: number;
  readonly dropRate: number;
  readonly doubleRate: number;
  /** Messages that are delayed up to `delayMaxMs` and overtaken. */
  readonly delayRate: number;
  readonly delayMaxMs: number;
}

export const GOOD_NETWORK: NetworkQuality = {
  latencyMs: 1,
  jitterMs: 0.5,
  dropRate: 0,
  doubleRate: 0,
  delayRate: 0,
  delayMaxMs: 0,
};

/** One direction of one connection. */
export class Link {
  readonly #clock: EventQueue;
  readonly #random: Random;
  readonly #quality: NetworkQuality;
  #latest = 0;
  isCut = false;

  constructor(clock: EventQueue, random: Random, quality: NetworkQuality) {
    this.#clock = clock;
    this.#random = random;
    this.#quality = quality;
  }

  /**
   * Delivers a message after a while, unless the link is cut on sending or on arrival. What opens a
   * dialogue is `sure` not to be dropped: nobody would ask for it again.
   */
  send(deliver: () => void, { isSure = false } = {}): void {
    const quality = this.#quality;
    if (this.isCut || (!isSure && this.#random.chance(quality.dropRate))) return;
    this.#deliver(deliver);
    if (this.#random.chance(quality.doubleRate)) this.#deliver(deliver);
  }

  #deliver(deliver: () => void): void {
    const quality = this.#quality;
    let at = this.#clock.now + quality.latencyMs + quality.jitterMs * this.#random.next();
    if (this.#random.chance(quality.delayRate)) {
      at += quality.delayMaxMs * this.#random.next();
    } else {
      at = Math.max(at, this.#latest);
      this.#latest = at;
    }
    this.#clock.at(at, () => {
      if (!this.isCut) deliver();
    });
  }
}
