/**
 * What a person sees of a job, on standard error: a plan line, a progress line, a summary.
 *
 * On a terminal the progress line stays in place; elsewhere it is a plain line every ten seconds.
 */
import cliProgress from "cli-progress";
import { formatCount, formatSeconds } from "../base/units.ts";
import type { EmbedObserver, JobPlan, JobSummary, Progress } from "../driver/api.ts";
import { formatBalance } from "../driver/run/balance.ts";
import { showPull } from "./pull-progress.ts";

const PLAIN_EVERY_MS = 10_000;
const BALANCE_SHOWN_S = 1;

export class JobDisplay implements EmbedObserver, Disposable {
  readonly #bar = new cliProgress.SingleBar({
    stream: process.stderr,
    noTTYOutput: true,
    notTTYSchedule: PLAIN_EVERY_MS,
    hideCursor: null as unknown as boolean,
    etaBuffer: 1,
    format: "{percentage}% {done}",
  });
  readonly #items: string;
  /** What the bar counts. */
  #shown: string;
  #onModel: EmbedObserver["onModel"];
  #isBarOn = false;
  #startedAt = 0;

  /** `items`: what is computed, in the plural. */
  constructor(items = "sequences") {
    this.#items = items;
    this.#shown = items;
  }

  onModel(progress: Parameters<NonNullable<EmbedObserver["onModel"]>>[0]): void {
    this.#onModel ??= showPull("model");
    this.#onModel(progress);
  }

  onPlan(plan: JobPlan): void {
    const { records, refused, distinct, cached, residues } = plan;
    const skipped = refused > 0 ? ` (${formatCount(refused)} skipped)` : "";
    const parts = [
      `${formatCount(records)} records${skipped}`,
      `${formatCount(distinct)} distinct`,
      `${formatCount(cached)} cached`,
      ...(residues > 0 ? [`${formatCount(residues)} residues`] : []),
    ];
    this.#line(`plan: ${parts.join(", ")}`);
  }

  onProgress(progress: Progress, what = this.#items): void {
    if (what !== this.#shown) this[Symbol.dispose]();
    this.#shown = what;
    const { committed, quarantined, submitted, tokensCommitted, tokensSubmitted } = progress;
    if (!this.#isBarOn) {
      this.#isBarOn = true;
      this.#startedAt = performance.now();
      this.#bar.start(Math.max(1, tokensSubmitted), 0, { done: "starting" });
    }
    const elapsed = (performance.now() - this.#startedAt) / 1000;
    const rate = progress.tokensPerSecond || tokensCommitted / Math.max(elapsed, 1e-3);
    const left =
      progress.idealSeconds || (tokensSubmitted - tokensCommitted) / Math.max(rate, 1e-9);
    const parts = [
      `${formatCount(committed + quarantined)} of ${formatCount(submitted)} ${what}`,
      `${formatCount(tokensCommitted)} tokens`,
      tokensCommitted > 0 ? `${formatCount(rate)} tokens/s` : `${progress.devices} devices`,
      ...(tokensCommitted > 0 ? [`${formatSeconds(left)} left`] : []),
      ...(progress.workers === 0 ? ["waiting for a worker"] : []),
    ];
    this.#bar.setTotal(Math.max(1, tokensSubmitted));
    this.#bar.update(tokensCommitted, { done: parts.join(", ") });
  }

  onWriting(records: number): void {
    // The last progress came before the last commit: show that all is done.
    if (this.#isBarOn) this.#bar.update(this.#bar.getTotal(), { done: "all computed" });
    this[Symbol.dispose]();
    this.#line(`writing ${formatCount(records)} records`);
  }

  onNotice(text: string): void {
    this.#line(text);
  }

  onDone(summary: JobSummary): void {
    this[Symbol.dispose]();
    const { computed, plan, rows, failed, seconds } = summary;
    const parts = [
      `${formatCount(rows)} rows`,
      `${formatCount(computed)} computed`,
      `${formatCount(plan.cached)} cached`,
      ...(failed > 0 ? [`${formatCount(failed)} failed (failed.tsv says why)`] : []),
      `in ${formatSeconds(seconds.total)}`,
    ];
    this.#line(`done: ${parts.join(", ")}`);
    const { balance } = summary;
    // Of a run this short, start-up is all that the figure would show.
    if (balance !== undefined && balance.bound_s >= BALANCE_SHOWN_S) {
      this.#line(`balance: ${formatBalance(balance)}`);
    }
    this.#line(`output: ${summary.outputFolder}`);
  }

  [Symbol.dispose](): void {
    if (!this.#isBarOn) return;
    this.#isBarOn = false;
    this.#bar.stop();
  }

  #line(text: string): void {
    const erase = this.#isBarOn && process.stderr.isTTY === true ? "\r\u001b[K" : "";
    process.stderr.write(`${erase}${text}\n`);
  }
}
