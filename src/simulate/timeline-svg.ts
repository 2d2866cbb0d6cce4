/**
 * A run as a picture: one lane a device, time from left to right.
 *
 * Owns: the SVG. Calls that a pixel cannot show are joined, so a picture of 10,000 devices or of
 * an hour stays small. Pure: lanes in, text out.
 */
import type { Stretch } from "./device-model.ts";

export interface Lane {
  readonly label: string;
  readonly stretches: readonly Stretch[];
}

export interface TimelineOptions {
  readonly title: string;
  readonly lanes: readonly Lane[];
  readonly endMs: number;
  /** Where no scheduler could have ended sooner. */
  readonly boundMs: number;
}

const WIDTH = 1200;
const LABEL_WIDTH = 90;
const TOP = 52;
const BOTTOM = 34;

const COLORS = { work: "#3b6ea8", short: "#7fb0de", copy: "#e08a2e", lost: "#c0392b" } as const;
type Look = keyof typeof COLORS;

function lookOf({ reason, isLost }: Stretch): Look {
  if (isLost) return "lost";
  if (reason === "backup copy" || reason === "overdue copy" || reason === "retry") return "copy";
  return reason === "longest first" || reason === "giant" ? "work" : "short";
}

/** Draws the lanes. Times beyond the end are cut off. */
export function timelineSvg({ title, lanes, endMs, boundMs }: TimelineOptions): string {
  const laneHeight = Math.max(1, Math.min(22, Math.floor(1400 / Math.max(lanes.length, 1))));
  const height = TOP + laneHeight * lanes.length + BOTTOM;
  const scale = (WIDTH - LABEL_WIDTH - 20) / Math.max(endMs, boundMs, 1);
  const x = (ms: number) => LABEL_WIDTH + Math.min(Math.max(ms, 0), endMs) * scale;
  const parts: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="${LABEL_WIDTH}" y="18" font-size="14">${escapeXml(title)}</text>`,
    legend(),
  ];
  for (const [index, lane] of lanes.entries()) {
    const y = TOP + index * laneHeight;
    if (laneHeight >= 10) {
      parts.push(`<text x="6" y="${y + laneHeight / 2 + 4}">${escapeXml(lane.label)}</text>`);
    }
    const inner = Math.max(laneHeight - 2, 1);
    for (const { from, to, look } of blocksOf(lane, x)) {
      const width = Math.max(to - from, 0.2).toFixed(2);
      const at = `x="${from.toFixed(2)}" y="${y}" width="${width}" height="${inner}"`;
      parts.push(`<rect ${at} fill="${COLORS[look]}"/>`);
    }
  }
  parts.push(axis({ x, endMs, boundMs, bottom: height - BOTTOM }), "</svg>");
  return `${parts.join("\n")}\n`;
}

interface Block {
  readonly from: number;
  to: number;
  readonly look: Look;
}

/** Joins calls of one look whose gaps are thinner than half a pixel, keeping a hairline between long ones. */
function blocksOf({ stretches }: Lane, x: (ms: number) => number): Block[] {
  const blocks: Block[] = [];
  for (const stretch of stretches) {
    const [from, to, look] = [x(stretch.from), x(stretch.to), lookOf(stretch)];
    const last = blocks.at(-1);
    const isThin = to - from < 2;
    if (last !== undefined && last.look === look && from - last.to < 0.5 && isThin) last.to = to;
    else blocks.push({ from: from + (isThin ? 0 : 0.3), to, look });
  }
  return blocks;
}

function legend(): string {
  const words: readonly [Look, string][] = [
    ["work", "batches"],
    ["short", "probes and tail"],
    ["copy", "copies and retries"],
    ["lost", "in vain"],
  ];
  return words
    .map(([look, text], index) => {
      const left = LABEL_WIDTH + index * 140;
      return `<rect x="${left}" y="28" width="12" height="12" fill="${COLORS[look]}"/><text x="${left + 17}" y="38">${text}</text>`;
    })
    .join("");
}

function axis({
  x,
  endMs,
  boundMs,
  bottom,
}: {
  x: (ms: number) => number;
  endMs: number;
  boundMs: number;
  bottom: number;
}): string {
  const step = stepOf(endMs / 1000);
  const parts: string[] = [];
  for (let second = 0; second * 1000 <= endMs; second += step) {
    const at = x(second * 1000).toFixed(1);
    parts.push(`<path d="M${at} ${bottom}v5" stroke="#000"/>`);
    parts.push(`<text x="${at}" y="${bottom + 18}" text-anchor="middle">${second} s</text>`);
  }
  const at = x(boundMs).toFixed(1);
  const line = `d="M${at} ${TOP - 6}V${bottom}" stroke="#000" stroke-dasharray="3 3"`;
  parts.push(`<path ${line}/><text x="${at}" y="${TOP - 8}" text-anchor="end">bound</text>`);
  return parts.join("");
}

/** A round number of seconds that divides the axis into about ten. */
function stepOf(seconds: number): number {
  const rough = Math.max(seconds / 10, 0.001);
  const power = 10 ** Math.floor(Math.log10(rough));
  for (const factor of [1, 2, 5]) if (factor * power >= rough) return factor * power;
  return 10 * power;
}

function escapeXml(text: string): string {
  return text.replace(/[<>&"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
