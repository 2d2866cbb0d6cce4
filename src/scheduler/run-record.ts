/**
 * A run as the scheduler's shell knows it: names, bytes and the driver's stream.
 *
 * Owns: what the core's numbers stand for on the driver's side, and the driver's credit: it may
 * have at most CREDIT_BYTES of unsettled items here.
 */
import type { DriverEvent, RunSpec, ShardRows } from "../rpc/messages.ts";
import type { Attempt, RunId } from "./core/events.ts";
import { ItemFrames } from "./item-frames.ts";

/**
 * Unsettled item bytes a run may have here: 300,000 antibody chains, hours of work for a node,
 * while a hundred runs still fit in memory.
 */
export const CREDIT_BYTES = 64 * 1024 * 1024;

/** Freed bytes are handed back in pieces of this size, not one message a commit. */
const CREDIT_STEP_BYTES = CREDIT_BYTES / 16;

/** Attempts are sent in groups: one message a batch would double the driver's traffic. */
const ATTEMPTS_A_MESSAGE = 64;

export class RunRecord {
  readonly id: RunId;
  readonly spec: RunSpec;
  readonly items = new ItemFrames();
  readonly openedAt: number;
  readonly #send: (event: DriverEvent) => void;
  #owedBytes = 0;
  #attempts: { attempt: Attempt; workerId: string; device: string; paddedTokens: number }[] = [];

  constructor(options: {
    id: RunId;
    spec: RunSpec;
    openedAt: number;
    send: (event: DriverEvent) => void;
  }) {
    this.id = options.id;
    this.spec = options.spec;
    this.openedAt = options.openedAt;
    this.#send = options.send;
    this.send({ type: "opened", runId: options.spec.runId });
    this.send({ type: "credit", bytes: CREDIT_BYTES });
  }

  send(event: DriverEvent): void {
    this.#send(event);
  }

  settle(tasks: Iterable<number>): void {
    this.#owedBytes += this.items.settle(tasks);
    if (this.#owedBytes < CREDIT_STEP_BYTES && this.items.bytes > 0) return;
    if (this.#owedBytes > 0) this.send({ type: "credit", bytes: this.#owedBytes });
    this.#owedBytes = 0;
  }

  record(row: { attempt: Attempt; workerId: string; device: string; paddedTokens: number }): void {
    this.#attempts.push(row);
    if (this.#attempts.length >= ATTEMPTS_A_MESSAGE) this.flushAttempts();
  }

  flushAttempts(): void {
    if (this.#attempts.length === 0) return;
    const seconds = (at: number) => (at - this.openedAt) / 1000;
    const rows = this.#attempts.map(({ attempt, workerId, device, paddedTokens }) => ({
      lease: attempt.lease,
      workerId,
      device,
      tasks: attempt.taskCount,
      tokens: attempt.cost,
      paddedTokens,
      assignedAt: seconds(attempt.assignedAt),
      finishedAt: seconds(attempt.finishedAt),
      busySeconds: attempt.busySeconds,
      outcome: attempt.outcome,
      reason: attempt.reason,
    }));
    this.#attempts = [];
    this.send({ type: "attempts", rows });
  }
}

/** The part of `rows` whose tasks are in `tasks`, as stretches that lie together in the shard. */
export function selectRows(rows: ShardRows, tasks: readonly number[]): ShardRows[] {
  if (tasks.length === rows.tasks.length) return [rows];
  const wanted = new Set(tasks);
  const stretches: ShardRows[] = [];
  let open: { tasks: number[]; sizes: number[] } | undefined;
  let offset = rows.payloadOffset;
  rows.tasks.forEach((task, i) => {
    const size = rows.sizes[i]!;
    if (!wanted.has(task)) open = undefined;
    else if (open === undefined) {
      open = { tasks: [task], sizes: [size] };
      stretches.push({ ...rows, ...open, payloadOffset: offset });
    } else {
      open.tasks.push(task);
      open.sizes.push(size);
    }
    offset += size;
  });
  return stretches;
}
