/**
 * How near a run came to its lower bound, as the scheduler reports it.
 *
 * Owns: the names in run.json and in the summary. The bound is the optimal preemptive makespan of
 * the fleet as it really was, speeds over time, joins and losses included (Horvath, Lam, Sethi,
 * "A level algorithm for preemptive scheduling", 1977); losses are shares of the fleet's capacity.
 */
import { z } from "zod";

const BALANCE = z.object({
  bound_s: z.number(),
  achieved_s: z.number(),
  /** Achieved over bound. */
  ratio: z.number(),
  /** Work done more than once or in vain, over all work. */
  repeated_work: z.number(),
  losses: z.object({
    start_up: z.number(),
    batch_overhead: z.number(),
    idle_tail: z.number(),
    idle_between: z.number(),
    repeated_work: z.number(),
  }),
  devices: z.number(),
  batches: z.number(),
});

export type Balance = Readonly<z.infer<typeof BALANCE>>;

/** Undefined where the scheduler had nothing to report. */
export function parseBalance(text: string): Balance | undefined {
  return text === "" ? undefined : BALANCE.parse(JSON.parse(text));
}

/** `1.02 of the bound (start-up 1.1 %, overhead 0.4 %, ...)`, for people. */
export function formatBalance({ ratio, bound_s, achieved_s, losses }: Balance): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const parts = [
    `start-up ${percent(losses.start_up)}`,
    `overhead ${percent(losses.batch_overhead)}`,
    `between batches ${percent(losses.idle_between)}`,
    `idle tail ${percent(losses.idle_tail)}`,
    `repeated ${percent(losses.repeated_work)}`,
  ];
  const times = `${achieved_s.toFixed(2)} s of at least ${bound_s.toFixed(2)} s`;
  return `${ratio.toFixed(3)} times the bound (${times}): ${parts.join(", ")}`;
}
