/**
 * What every part of the benchmark of scoring is given.
 */
import type { Chains } from "./score-run.ts";

export interface ScoreContext {
  /** Scratch. */
  readonly folder: string;
  readonly structure: string;
  readonly chains: Chains;
  readonly poses: number;
  /** Of the original: each takes a quarter of a minute. */
  readonly originalPoses: number;
  readonly rounds: number;
  readonly cores: number;
  readonly seed: number;
}
