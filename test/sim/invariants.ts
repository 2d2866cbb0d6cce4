/**
 * What must hold after every event.
 *
 * Owns: two independent checks. `checkCore` reads the whole state and compares each sum with what
 * it sums. `Shadow` knows only events and commands, keeps its own account of leases, and refuses a
 * commit that no live lease covers.
 */
import assert from "node:assert/strict";
import type { Command, Event, LeaseId, WorkerId } from "../../src/scheduler/core/events.ts";
import type { Core, RunState } from "../../src/scheduler/core/state.ts";
import { COMMITTED, OUT, QUARANTINED, QUEUED } from "../../src/scheduler/core/tasks.ts";

export function checkCore(core: Core): void {
  for (const device of core.devices.values()) {
    assert.equal(core.workers.get(device.worker.id), device.worker, "a device has a live worker");
    assert(
      device.running !== undefined || device.waiting === undefined,
      "none waits behind nothing",
    );
    for (const lease of [device.running, device.waiting]) {
      if (lease !== undefined)
        assert.equal(core.leases.get(lease.id), lease, "a held lease is live");
    }
    const isHungry = device.waiting === undefined && !device.worker.isDraining;
    assert.equal(core.hungry.has(device), isHungry, "who has credit is hungry");
  }
  for (const lease of core.leases.values()) {
    const { device } = lease;
    assert(core.devices.has(device.id), "a lease has a live device");
    assert(device.running === lease || device.waiting === lease, "a lease holds a credit");
    assert.equal(lease.epoch, device.worker.epoch);
    assert.equal(core.runs.get(lease.run.id) === lease.run, lease.run.outcome === undefined);
  }
  for (const run of core.runs.values()) checkRun(run);
}

function checkRun(run: RunState): void {
  const { count, costs, state, holders } = run.tasks;
  const held = new Uint8Array(count);
  for (const lease of run.leases) {
    let open = 0;
    for (const [position, task] of lease.tasks.entries()) {
      if (lease.reported[position] === 1) continue;
      held[task]! += 1;
      open += 1;
    }
    assert.equal(open, lease.openCount);
  }
  let grouped = 0;
  for (const group of run.groups) {
    if (group.reason !== "retry") continue;
    grouped += group.tasks.length;
    for (const task of group.tasks) assert.equal(state[task], QUEUED, "a suspect is queued");
  }
  const counts = [0, 0, 0, 0];
  let openCost = 0;
  for (let task = 0; task < count; task++) {
    counts[state[task]!]! += 1;
    assert.equal(holders[task], held[task], `holders of task ${task}`);
    // A cancelled run's tasks that come back go nowhere.
    if (run.cancelled !== undefined) continue;
    if (state[task] === OUT) assert(held[task]! > 0, `task ${task} is out with nobody`);
    if (state[task] === QUEUED) assert.equal(held[task], 0, `task ${task} is queued and held`);
    if (state[task] === OUT || state[task] === QUEUED) openCost += costs[task]!;
  }
  assert.equal(counts[COMMITTED], run.committedCount);
  assert.equal(counts[QUARANTINED], run.quarantinedCount);
  if (run.cancelled !== undefined) return;
  assert.equal(counts[QUEUED], run.queue.count + grouped, "what is queued is in the queue");
  assert.equal(run.openCost, openCost);
}

interface ShadowLease {
  readonly worker: WorkerId;
  readonly epoch: number;
  readonly tasks: Set<number>;
}

export class Shadow {
  readonly #leases = new Map<LeaseId, ShadowLease>();

  onStep(event: Event, commands: readonly Command[]): void {
    for (const command of commands) {
      switch (command.type) {
        case "commitTasks": {
          assert(event.type === "batchProgressed", `a commit out of ${event.type}`);
          assert.equal(command.worker, event.worker);
          const lease = this.#leases.get(event.lease);
          assert(lease !== undefined, "a commit under a lease that is not live");
          assert.equal(event.epoch, lease.epoch, "a commit under a stale epoch");
          assert.equal(event.worker, lease.worker, "a commit by another worker");
          for (const task of command.tasks) {
            assert(lease.tasks.delete(task), `task ${task} committed, but not leased or twice`);
          }
          break;
        }
        case "assignBatch": {
          const { worker, epoch } = command;
          assert(!this.#leases.has(command.lease), "a lease's number is used twice");
          this.#leases.set(command.lease, { worker, epoch, tasks: new Set(command.tasks) });
          break;
        }
        case "dropWorker":
          this.#forget(command.worker);
          break;
        default:
      }
    }
    if (event.type === "workerLost") this.#forget(event.worker);
    if ((event.type === "batchProgressed" || event.type === "batchReturned") && event.finished) {
      const lease = this.#leases.get(event.lease);
      if (lease?.worker === event.worker) this.#leases.delete(event.lease);
    }
  }

  #forget(worker: WorkerId): void {
    for (const [id, lease] of this.#leases) if (lease.worker === worker) this.#leases.delete(id);
  }
}
