/**
 * The scheduler's books: which worker, run, name and bytes each of the core's numbers stands for,
 * and carrying out what the core orders.
 *
 * Owns: the records of workers and runs. Invariant: a command about somebody who is gone does
 * nothing. Deliberately not here: when the core is asked (shell.ts).
 */
import { RaysidueError } from "../base/errors.ts";
import type { BatchProgress, Progress, SchedulerStatus, ShardRows } from "../rpc/messages.ts";
import type { Attempt, Command, Event, LeaseId, RunId, WorkerId } from "./core/events.ts";
import { explainDevice, explainTask, type Names } from "./core/explain.ts";
import { progressOf } from "./core/progress.ts";
import type { Core } from "./core/state.ts";
import { type RunRecord, selectRows } from "./run-record.ts";
import type { WorkerRecord } from "./worker-record.ts";

/** Commands about workers and runs; the shell keeps those about time and connections. */
export type BookedCommand = Exclude<Command, { type: "dropWorker" | "wakeAt" }>;

export class Books {
  readonly workers = new Map<WorkerId, WorkerRecord>();
  readonly runs = new Map<RunId, RunRecord>();
  readonly #core: Core;
  /** Padded tokens of each open lease, for its trace row. */
  readonly #paddedTokens = new Map<LeaseId, number>();
  /** Rows of the report that the core is being told of. */
  #reportedRows: ShardRows | undefined;

  constructor(core: Core) {
    this.#core = core;
  }

  runNamed(runId: string): RunRecord | undefined {
    for (const run of this.runs.values()) if (run.spec.runId === runId) return run;
    return undefined;
  }

  /** The one run whose id begins with `start`. Throws RaysidueError "bad-input". */
  runStarting(start: string): RunRecord {
    const found = [...this.runs.values()].filter((run) => run.spec.runId.startsWith(start));
    if (found.length === 1 && start !== "") return found[0]!;
    const known = [...this.runs.values()].map((run) => run.spec.runId).join(", ") || "none";
    throw new RaysidueError("bad-input", `no single run "${start}"; runs here: ${known}`);
  }

  /** Sentences about a task of a run, a device, or every device of the run. */
  explain(runId: string, subject: string): string[] {
    const run = this.runStarting(runId).id;
    const core = this.#core;
    const names = this.#names();
    if (/^\d+$/.test(subject)) return explainTask(core, { run, task: Number(subject), names });
    const all = [...this.workers.values()].flatMap((worker) => worker.deviceIds);
    const asked = all.filter((id) => subject === "" || names.device(id) === subject);
    if (asked.length > 0)
      return asked.flatMap((device) => explainDevice(core, { run, device, names }));
    const known = all.map(names.device).join(", ") || "none";
    throw new RaysidueError("bad-input", `no task or device "${subject}"; devices here: ${known}`);
  }

  #names(): Names {
    const workerName = (id: WorkerId) => {
      const registration = this.workers.get(id)?.registration;
      return registration === undefined
        ? `worker ${id}`
        : `${registration.host}/${registration.pid}`;
    };
    return {
      worker: workerName,
      device: (id) => {
        for (const worker of this.workers.values()) {
          const device = worker.device(id);
          if (device !== undefined) return `${workerName(worker.id)}/${device.name}`;
        }
        return `device ${id}`;
      },
    };
  }

  /** Lets commits of `tell` find the rows that `report` names. */
  withReport(report: BatchProgress, tell: () => void): void {
    const lease = report.lease as LeaseId;
    this.#paddedTokens.set(lease, (this.#paddedTokens.get(lease) ?? 0) + report.paddedTokens);
    this.#reportedRows = report.rows;
    tell();
    this.#reportedRows = undefined;
    if (report.finished) this.#paddedTokens.delete(lease);
  }

  carryOut(command: BookedCommand): void {
    switch (command.type) {
      case "assignBatch":
        return this.#assign(command);
      case "takeBack": {
        const { lease, epoch, keepRunning } = command;
        this.workers.get(command.worker)?.send({ type: "takeBack", lease, epoch, keepRunning });
        return;
      }
      case "commitTasks":
        return this.#commit(command);
      case "quarantineTasks": {
        const run = this.runs.get(command.run);
        const workerId = this.workers.get(command.worker)?.registration.workerId ?? "";
        run?.send({ type: "quarantined", failures: command.failures, workerId });
        run?.settle(command.failures.map((failure) => failure.task));
        return;
      }
      case "endRun":
        return this.#endRun(command);
      case "recordAttempt":
        return this.#record(command.attempt);
      case "notify":
        this.runs.get(command.run)?.send({ type: "notice", text: command.text });
        return;
      default:
        command satisfies never;
    }
  }

  #assign(command: Command & { type: "assignBatch" }): void {
    const run = this.runs.get(command.run);
    const worker = this.workers.get(command.worker);
    const device = worker?.device(command.device);
    if (run === undefined || worker === undefined || device === undefined) return;
    worker.send({
      type: "assign",
      lease: command.lease,
      epoch: command.epoch,
      runId: run.spec.runId,
      device: device.device,
      frame: run.items.pack(command.tasks),
      deadlineMs: Math.min(2 ** 32 - 1, Math.ceil(command.deadlineMs)),
    });
  }

  #commit(command: Command & { type: "commitTasks" }): void {
    const run = this.runs.get(command.run);
    const worker = this.workers.get(command.worker);
    if (run === undefined || worker === undefined || this.#reportedRows === undefined) return;
    const { workerId, bulkAddress } = worker.registration;
    const isShared = worker.sharedRuns.has(run.spec.runId);
    for (const rows of selectRows(this.#reportedRows, command.tasks)) {
      const address = isShared ? "" : bulkAddress;
      run.send({ type: "committed", rows, workerId, bulkAddress: address, lease: command.lease });
    }
    run.settle(command.tasks);
  }

  #record(attempt: Attempt): void {
    const worker = this.workers.get(attempt.worker);
    this.runs.get(attempt.run)?.record({
      attempt,
      workerId: worker?.registration.workerId ?? "",
      device: worker?.device(attempt.device)?.name ?? "",
      paddedTokens: this.#paddedTokens.get(attempt.lease) ?? 0,
    });
  }

  #endRun({ run: id, outcome, balance }: Command & { type: "endRun" }): void {
    const run = this.runs.get(id);
    if (run === undefined) return;
    run.flushAttempts();
    run.send({
      type: "ended",
      outcome: outcome.type,
      code: outcome.type === "failed" ? "unavailable" : "",
      message: outcome.type === "done" ? "" : outcome.reason,
      balance: balance === undefined ? "" : JSON.stringify(balance),
    });
    run.items.clear();
    this.runs.delete(id);
    const { runId } = run.spec;
    for (const worker of this.workers.values()) {
      worker.sharedRuns.delete(runId);
      worker.send({ type: "closeRun", runId });
    }
  }

  /** As if every worker had said something just now. */
  everybodyHeard(): Event[] {
    return [...this.workers.keys()].map((worker) => ({ type: "workerHeard", worker }));
  }

  progress(run: RunRecord): Progress | undefined {
    const progress = progressOf(this.#core, run.id);
    if (progress === undefined) return undefined;
    const { costSubmitted, costCommitted, costPerSecond, ...rest } = progress;
    return {
      ...rest,
      tokensSubmitted: costSubmitted,
      tokensCommitted: costCommitted,
      tokensPerSecond: costPerSecond,
      workers: this.workers.size,
    };
  }

  status(version: string, now: number): SchedulerStatus {
    return {
      version,
      workers: [...this.workers.values()].map((worker) => ({
        workerId: worker.registration.workerId,
        host: worker.registration.host,
        pid: worker.registration.pid,
        devices: worker.devices,
        state: worker.isDraining ? "draining" : "ready",
        secondsSinceHeard: (now - worker.lastHeardAt) / 1000,
      })),
      runs: [...this.runs.values()].map((run) => ({
        runId: run.spec.runId,
        name: run.spec.name,
        kind: run.spec.kind,
        model: run.spec.model,
        progress: this.progress(run),
      })),
    };
  }
}
