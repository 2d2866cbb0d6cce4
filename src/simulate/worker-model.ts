/**
 * A virtual worker daemon with one device.
 *
 * Owns: its connection to the scheduler: registering, heartbeats, orders, reports, reconnecting
 * after a break. As the real one it drops all leases of a connection that broke, and never runs a
 * lease twice that was delivered twice.
 */
import type { Event, RunId, TaskFailure, WorkerId } from "../scheduler/core/events.ts";
import { type Assign, type CallReport, DeviceModel, type TakeBack } from "./device-model.ts";
import type { DeviceSpec } from "./fleet.ts";
import type { Link } from "./network.ts";
import type { SchedulerEnd, Surroundings, WorkerEnd } from "./surroundings.ts";

const HEARTBEAT_MS = 1_000;
/** A daemon that hears nothing for so long takes its connection for broken. */
const SILENCE_MS = 5_000;
const RECONNECT_MS = 500;

export class WorkerModel implements WorkerEnd {
  readonly name: number;
  readonly spec: DeviceSpec;
  readonly device: DeviceModel;
  readonly #world: Surroundings;
  #isAlive = false;
  #isOpen = false;
  #isCut = false;
  /** Number of the connection; undefined while there is none. */
  #connection: WorkerId | undefined;
  #scheduler: SchedulerEnd | undefined;
  #up: Link;
  #down: Link;
  #seen = new Set<number>();
  #heardAt = 0;
  /** Every life is another one: what an earlier life planned is void. */
  #life = 0;

  constructor(world: Surroundings, options: { readonly name: number; readonly spec: DeviceSpec }) {
    this.#world = world;
    this.name = options.name;
    this.spec = options.spec;
    this.#up = world.link();
    this.#down = world.link();
    this.device = new DeviceModel({
      id: world.nextDevice(),
      spec: options.spec,
      clock: world.clock,
      random: world.random,
      lengths: ({ run }) => world.driver.lengthsOf(run),
      report: (report) => this.#onCall(report),
    });
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get connection(): WorkerId | undefined {
    return this.#connection;
  }

  start(): void {
    if (this.#isAlive) return;
    this.#isAlive = true;
    this.#life += 1;
    this.#isOpen = false;
    const life = this.#life;
    this.#world.clock.after(this.spec.opening_seconds * 1000, () => {
      if (this.#life !== life) return;
      this.#isOpen = true;
      this.device.switch(!this.#isCut);
      for (const run of this.#scheduler?.openRuns() ?? []) this.openRun(run);
    });
    this.#connect(life);
  }

  /** Dies at once. Unless `silent`, the scheduler sees the connection break. */
  die({ silent = false } = {}): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.#life += 1;
    this.device.die();
    this.device.switch(false);
    const connection = this.#connection;
    const scheduler = this.#scheduler;
    this.#close();
    if (!silent && connection !== undefined) scheduler?.connectionBroke(connection, "it died");
  }

  cut(seconds: number): void {
    this.#isCut = true;
    this.#up.isCut = true;
    this.#down.isCut = true;
    this.device.switch(false);
    this.#world.clock.after(seconds * 1000, () => {
      this.#isCut = false;
      this.#up.isCut = false;
      this.#down.isCut = false;
      this.device.switch(this.#isAlive && this.#isOpen);
      // A short cut breaks no connection; what TCP would send again is at least this.
      for (const run of this.#scheduler?.openRuns() ?? []) this.openRun(run);
    });
  }

  drain(endsAt: number): void {
    this.#send({ type: "workerDraining", worker: this.#connection!, endsAt });
  }

  /** The other end closed or died. */
  connectionBroke(connection: WorkerId): void {
    if (this.#connection !== connection || this.#isCut) return;
    this.#reconnect();
  }

  openRun(run: RunId): void {
    if (!this.#isOpen || this.#connection === undefined) return;
    const { cost_max: costMax } = this.spec;
    const worker = this.#connection;
    this.#send({ type: "engineReady", worker, device: this.#deviceId(), run, costMax });
  }

  order(connection: WorkerId, order: Assign | TakeBack): void {
    this.#down.send(() => {
      if (this.#connection !== connection) return;
      this.#heardAt = this.#world.clock.now;
      if (order.type === "takeBack") return this.#onTakeBack(order);
      if (this.#seen.has(order.lease)) return;
      this.#seen.add(order.lease);
      this.device.accept(order);
    });
  }

  /** The scheduler answers heartbeats: that is how a daemon knows that it is heard. */
  heard(): void {
    this.#down.send(() => {
      this.#heardAt = this.#world.clock.now;
    });
  }

  /** A device's number names it within one connection: the core never sees it again. */
  #deviceId() {
    return (this.device.id + 1_000_000 * this.#connection!) as typeof this.device.id;
  }

  #connect(life: number): void {
    if (this.#life !== life || !this.#isAlive) return;
    const { scheduler, clock } = this.#world;
    if (this.#isCut || !scheduler.isAlive) {
      clock.after(RECONNECT_MS, () => this.#connect(life));
      return;
    }
    this.#scheduler = scheduler;
    this.#connection = scheduler.accept(this);
    this.#heardAt = clock.now;
    this.#beat(this.#connection);
    for (const run of scheduler.openRuns()) this.openRun(run);
  }

  #beat(connection: WorkerId): void {
    if (this.#connection !== connection) return;
    const { clock } = this.#world;
    if (clock.now - this.#heardAt > SILENCE_MS) {
      this.#reconnect();
      return;
    }
    this.#send({ type: "workerHeard", worker: connection });
    clock.after(HEARTBEAT_MS, () => this.#beat(connection));
  }

  #reconnect(): void {
    this.#close();
    const life = this.#life;
    this.#world.clock.after(RECONNECT_MS, () => this.#connect(life));
  }

  #close(): void {
    this.#connection = undefined;
    this.#seen = new Set();
    this.device.forget();
    // What is still under way belongs to the old connection.
    const [up, down] = [this.#world.link(), this.#world.link()];
    up.isCut = this.#isCut;
    down.isCut = this.#isCut;
    [this.#up, this.#down] = [up, down];
  }

  #send(event: Event): void {
    const scheduler = this.#scheduler;
    if (this.#connection === undefined || scheduler === undefined) return;
    this.#up.send(() => scheduler.tell(event), { isSure: event.type === "engineReady" });
  }

  #onTakeBack(order: TakeBack): void {
    const given = this.device.giveBack(order);
    if (given === undefined) return;
    const { lease, epoch, worker } = order;
    const finished = given.isLast;
    this.#send({ type: "batchReturned", worker, lease, epoch, tasks: given.tasks, finished });
  }

  #onCall({ assign, tasks, seconds, isLast }: CallReport): void {
    if (assign.worker !== this.#connection) return;
    const { worker, lease, epoch, run } = assign;
    const { driver, fate } = this.#world;
    const ok: number[] = [];
    const failures: TaskFailure[] = [];
    for (const task of tasks) {
      const end = fate(driver.itemOf(run, task));
      if (end === "kills") {
        this.die();
        this.#world.clock.after(RECONNECT_MS, () => this.start());
        return;
      }
      if (end === "well") ok.push(task);
      else failures.push({ task, reason: `item ${end}`, retryable: end === "fails" });
    }
    this.#send({
      type: "batchProgressed",
      worker,
      lease,
      epoch,
      tasks: ok,
      failures,
      finished: isLast,
      busySeconds: seconds,
    });
  }
}
