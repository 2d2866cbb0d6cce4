/**
 * Protocol messages <-> the project's own types (messages.ts).
 *
 * Owns: the one place that sees generated types of the scheduler's protocol, and the checks that a
 * frame from outside holds together. Invariant: what leaves here is consistent; a frame that lies
 * about its sizes is a RaysidueError, never a wrong slice.
 */
import { RaysidueError } from "../base/errors.ts";
import { KEY_BYTES } from "../store/content-key.ts";
import type {
  DriverEvent as WireDriverEvent,
  DriverRequest as WireDriverRequest,
  WorkerOrder as WireWorkerOrder,
  WorkerReport as WireWorkerReport,
} from "./gen/raysidue/v1/scheduler.ts";
import type { DriverEvent, DriverRequest, Frame, WorkerOrder, WorkerReport } from "./messages.ts";

/** The protocol's version; scheduler and worker must speak the same. */
export const PROTOCOL = 1;

type Union = { readonly $case: string; readonly value: object };

/** `{$case, value}` as the generator has it -> `{type, ...value}`. */
type Tagged<U> = U extends { $case: infer C; value: infer V } ? { readonly type: C } & V : never;

function tag<U extends Union>(union: U | undefined, what: string): Tagged<U> {
  if (union === undefined) {
    throw new RaysidueError("bad-input", `${what}: empty message; is the other side newer?`);
  }
  return { type: union.$case, ...union.value } as unknown as Tagged<U>;
}

/** The generator's mutable twin of one of our unions: the same fields, checked by the compiler. */
type Untagged<M> = M extends { readonly type: infer C } ? { $case: C; value: Mutable<M> } : never;
type Mutable<T> = T extends Uint8Array
  ? T
  : T extends readonly (infer E)[]
    ? Mutable<E>[]
    : T extends object
      ? { -readonly [K in keyof T]: Mutable<T[K]> }
      : T;

function untag<M extends { readonly type: string }>(message: M): Untagged<M> {
  return { $case: message.type, value: message } as unknown as Untagged<M>;
}

/** Throws RaysidueError "bad-input" where sizes, keys and data of a frame do not fit together. */
export function checkFrame(frame: Frame): Frame {
  const count = frame.sizes.length;
  let bytes = 0;
  for (const size of frame.sizes) bytes += size;
  const isSound =
    bytes === frame.data.byteLength &&
    frame.tasks.length === count &&
    frame.costs.length === count &&
    frame.keys.byteLength === count * KEY_BYTES &&
    frame.costs.every((cost) => cost > 0);
  if (!isSound) {
    throw new RaysidueError(
      "bad-input",
      `frame of ${count} items is inconsistent: ${frame.data.byteLength} bytes for ${bytes}, ` +
        `${frame.tasks.length} tasks, ${frame.costs.length} costs, ${frame.keys.byteLength} key bytes`,
    );
  }
  return frame;
}

export function decodeReport(wire: WireWorkerReport): WorkerReport {
  const report = tag(wire.report, "worker's report");
  if (report.type !== "engineReady") return report;
  if (report.device === undefined) {
    throw new RaysidueError("bad-input", `engine of run ${report.runId} came without its device`);
  }
  return { ...report, device: report.device };
}

export function encodeReport(report: WorkerReport): WireWorkerReport {
  return { report: untag(report) };
}

export function decodeOrder(wire: WireWorkerOrder): WorkerOrder {
  const order = tag(wire.order, "scheduler's order");
  if (order.type !== "assign") return order;
  if (order.frame === undefined) {
    throw new RaysidueError("bad-input", `lease ${order.lease} came without items`);
  }
  return { ...order, frame: checkFrame(order.frame) };
}

export function encodeOrder(order: WorkerOrder): WireWorkerOrder {
  return { order: untag(order) };
}

export function decodeRequest(wire: WireDriverRequest): DriverRequest {
  const request = tag(wire.request, "driver's request");
  if (request.type === "submit") checkFrame(request);
  return request;
}

export function encodeRequest(request: DriverRequest): WireDriverRequest {
  return { request: untag(request) };
}

export function decodeEvent(wire: WireDriverEvent): DriverEvent {
  return tag(wire.event, "scheduler's event");
}

export function encodeEvent(event: DriverEvent): WireDriverEvent {
  return { event: untag(event) };
}
