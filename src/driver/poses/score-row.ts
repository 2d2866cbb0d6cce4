/**
 * What a table of scores says of one pose.
 *
 * Owns: the columns and the flags. The flags are the original's, under its names; what else is
 * remarkable stands in the notes.
 */
import type { PoseScore, ScoreParameters } from "../../kind/score.ts";
import { CLASH_FRACTION_MAX } from "../../science/graph.ts";

/** `row` is that of index.tsv, which knows the pose's file and line. */
export const SCORE_COLUMNS = [
  "rank",
  "pose",
  "score",
  "HL_contact_flag",
  "vdw_clash_flag",
  "notes",
  "row",
] as const;

/** Scores are trained on poses about the origin; beyond this, angstrom, they fall with distance. */
export const OFF_CENTRE_MAX = 15;
export const OFF_CENTRE = "off_centre";

const NOTES_SEPARATOR = "; ";
const DIGITS = 6;

export interface ShownScore {
  readonly pairing: PoseScore["pairing"];
  readonly clash: "ok" | "potential_clash";
  readonly notes: string;
  /** Names of what is remarkable, for counting. */
  readonly flags: readonly string[];
}

/** `note`: what is noted of every pose. */
export function showScore(
  { pairing, clashFraction, offCentre, notes }: PoseScore,
  { centre, note }: { centre: ScoreParameters["centre"]; note: string | undefined },
): ShownScore {
  const clash = clashFraction > CLASH_FRACTION_MAX ? "potential_clash" : "ok";
  const isOff = centre === "file" && offCentre > OFF_CENTRE_MAX;
  const all = [
    ...notes,
    ...(isOff ? [`${OFF_CENTRE} ${offCentre.toFixed(1)} A`] : []),
    ...(note === undefined ? [] : [note]),
  ];
  const flags = [
    ...(pairing === "low_HL_contacts" ? [pairing] : []),
    ...(clash === "ok" ? [] : [clash]),
    ...(isOff ? [OFF_CENTRE] : []),
  ];
  return { pairing, clash, notes: all.join(NOTES_SEPARATOR), flags };
}

export function formatScore(score: number): string {
  return score.toFixed(DIGITS);
}

/** Places of the `count` best scores, the best first; equal ones in the order of the input. */
export function rankOf(scores: Float32Array, count = scores.length): Uint32Array {
  // Numbers alone sort ten times as fast: they say which places need to be ranked.
  const bound = count < scores.length ? scores.slice().sort()[scores.length - count]! : -Infinity;
  const places = Uint32Array.from(scores.keys()).filter((place) => scores[place]! >= bound);
  return places.sort((a, b) => scores[b]! - scores[a]! || a - b).subarray(0, count);
}
