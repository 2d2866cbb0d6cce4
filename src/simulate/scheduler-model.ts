/**
 * A scheduler in the virtual world: the real core behind virtual connections.
 *
 * Owns: turning the core's orders into messages, and its timer. Invariant: one life of it knows
 * nothing of an earlier one; its epochs do not overlap with an earlier one's.
 */
import type { Command, Event, RunId, WorkerId } from "../scheduler/core/events.ts";
import type { CoreOptions } from "../scheduler/core/options.ts";
import { type Core, createCore } from "../scheduler/core/state.ts";
import { step } from "../scheduler/core/step.ts";
import type { SchedulerEnd, Surroundings, WorkerEnd } from "./surroundings.ts";

const TICK_MS = 1_000;

export class SchedulerModel implements SchedulerEnd {
  readonly core: Core;
  readonly #world: Surroundings;
  readonly #workers = new Map<WorkerId, WorkerEnd>();
  readonly #runs = new Set<RunId>();
  #nextWorker = 1;
  #wakesAt = Number.POSITIVE_INFINITY;
  isAlive = true;

  constructor(world: Surroundings, options: Partial<CoreOptions>) {
    this.#world = world;
    this.core = createCore(options);
    world.clock.after(TICK_MS, () => this.#tick());
  }

  openRuns(): Iterable<RunId> {
    return this.#runs;
  }

  accept(worker: WorkerEnd): WorkerId {
    const id = this.#nextWorker++ as WorkerId;
    this.#workers.set(id, worker);
    this.tell({ type: "workerJoined", worker: id });
    return id;
  }

  connectionBroke(id: WorkerId, reason: string): void {
    if (!this.#workers.delete(id)) return;
    this.tell({ type: "workerLost", worker: id, reason });
  }

  /** Dies: all connections break. */
  die(): void {
    this.isAlive = false;
    for (const [id, worker] of this.#workers) worker.connectionBroke(id);
    this.#workers.clear();
  }

  tell(event: Event): void {
    if (!this.isAlive) return;
    if (event.type === "workerHeard") this.#workers.get(event.worker)?.heard();
    if (event.type === "runOpened") {
      this.#runs.add(event.run);
      this.#act(event);
      for (const worker of this.#workers.values()) worker.openRun(event.run);
      return;
    }
    this.#act(event);
  }

  #act(event: Event): void {
    const commands = step(this.core, event, this.#world.clock.now);
    for (const command of commands) this.#obey(command);
    this.#world.onStep?.(this, event, commands);
  }

  #obey(command: Command): void {
    const { driver } = this.#world;
    switch (command.type) {
      case "assignBatch":
      case "takeBack":
        this.#workers.get(command.worker)?.order(command.worker, command);
        return;
      case "commitTasks":
        return driver.committed(command.run, command.tasks);
      case "quarantineTasks":
        return driver.quarantined(command.run, command.failures);
      case "endRun":
        this.#runs.delete(command.run);
        this.#world.balance = command.balance;
        return driver.ended(command.run, command.outcome);
      case "dropWorker": {
        const worker = this.#workers.get(command.worker);
        this.#workers.delete(command.worker);
        worker?.connectionBroke(command.worker);
        return;
      }
      case "recordAttempt":
        this.#world.attempts.push(command.attempt);
        return;
      case "notify":
        return;
      case "wakeAt":
        this.#wake(command.at);
        return;
      default:
        command satisfies never;
    }
  }

  #tick(): void {
    if (!this.isAlive) return;
    this.#world.clock.after(TICK_MS, () => this.#tick());
    this.tell({ type: "ticked" });
  }

  #wake(at: number): void {
    if (at >= this.#wakesAt && this.#wakesAt > this.#world.clock.now) return;
    this.#wakesAt = at;
    this.#world.clock.at(at, () => {
      if (this.#wakesAt !== at) return;
      this.#wakesAt = Number.POSITIVE_INFINITY;
      this.tell({ type: "ticked" });
    });
  }
}
