/**
 * What a person wants to know of all scores of a run: the summary that the pipeline's last stage
 * wrote, with the flags counted.
 */

export interface ScoreStatistics {
  readonly mean: number;
  readonly min: number;
  readonly p10: number;
  readonly p25: number;
  readonly median: number;
  readonly p75: number;
  readonly p90: number;
  readonly max: number;
  /** At least 0.49, at least 0.23, below: DockQ's classes. */
  readonly high: number;
  readonly medium: number;
  readonly low: number;
  /** Poses by what is remarkable of them. */
  readonly flagged: Readonly<Record<string, number>>;
}

/** DockQ from which a model is of high, of medium quality. */
const [HIGH_MIN, MEDIUM_MIN] = [0.49, 0.23];

/** Of all rows; undefined where there is none. Quantiles are of the nearest rank. */
export function statisticsOf(
  scores: Float32Array,
  flagged: ReadonlyMap<string, number>,
): ScoreStatistics | undefined {
  const count = scores.length;
  if (count === 0) return undefined;
  const sorted = scores.slice().sort();
  const at = (share: number) => sorted[Math.round(share * (count - 1))]!;
  const above = (bound: number) => sorted.reduce((sum, score) => sum + (score >= bound ? 1 : 0), 0);
  const [high, medium] = [above(HIGH_MIN), above(MEDIUM_MIN)];
  return {
    mean: sorted.reduce((sum, score) => sum + score, 0) / count,
    min: at(0),
    p10: at(0.1),
    p25: at(0.25),
    median: at(0.5),
    p75: at(0.75),
    p90: at(0.9),
    max: at(1),
    high,
    medium: medium - high,
    low: count - medium,
    flagged: Object.fromEntries(flagged),
  };
}

/** In two lines. */
export function formatStatistics(statistics: ScoreStatistics): string[] {
  const { mean, min, p10, median, p90, max, high, medium, low, flagged } = statistics;
  const of = (value: number) => value.toFixed(3);
  const flags = Object.entries(flagged).map(([flag, count]) => `${count} ${flag}`);
  return [
    `scores: mean ${of(mean)}, median ${of(median)}, 10-90 % ${of(p10)}-${of(p90)}, all ${of(min)}-${of(max)}`,
    `quality: ${high} high (from ${HIGH_MIN}), ${medium} medium (from ${MEDIUM_MIN}), ${low} low${
      flags.length === 0 ? "" : `; flags: ${flags.join(", ")}`
    }`,
  ];
}
