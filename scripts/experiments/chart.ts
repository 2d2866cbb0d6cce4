/**
 * Plots of the experiments as SVG: bars in groups, and lines.
 *
 * Owns: scales, axes and colours. Pure: numbers in, text out. Values beyond the axis are cut off
 * and written as numbers, so that one bad bar does not flatten all others.
 */

const WIDTH = 900;
const HEIGHT = 420;
const [LEFT, RIGHT, TOP, BOTTOM] = [70, 20, 90, 60];
/** Distinct for colour-blind readers, after Okabe and Ito (2008). */
const COLORS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#555555"];

interface Frame {
  readonly title: string;
  readonly yLabel: string;
  readonly yMin: number;
  readonly yMax: number;
}

export interface BarChart extends Frame {
  readonly groups: readonly string[];
  readonly series: readonly { readonly name: string; readonly values: readonly Bar[] }[];
}

/** A height, or why there is none. */
export type Bar = number | string;

export interface LineChart extends Frame {
  readonly xLabel: string;
  /** Positions on the x axis, evenly spaced: experiments double or name their settings. */
  readonly ticks: readonly string[];
  readonly series: readonly {
    readonly name: string;
    /** One a tick; NaN leaves a gap. */
    readonly values: readonly number[];
    readonly isDashed?: boolean;
  }[];
}

export function barChart(chart: BarChart): string {
  const { groups, series } = chart;
  const groupWidth = (WIDTH - LEFT - RIGHT) / groups.length;
  const barWidth = (0.86 * groupWidth) / series.length;
  const y = scaleOf(chart);
  const parts: string[] = [];
  for (const [group, name] of groups.entries()) {
    const left = LEFT + group * groupWidth + 0.07 * groupWidth;
    parts.push(text(name, left + 0.43 * groupWidth, HEIGHT - BOTTOM + 18, "middle"));
    for (const [index, { values }] of series.entries()) {
      const value = values[group];
      const x = left + index * barWidth;
      const middle = x + barWidth / 2;
      if (typeof value !== "number") {
        parts.push(upright(value ?? "", middle + 4, y(chart.yMin) - 4));
        continue;
      }
      const top = y(value);
      const height = y(chart.yMin) - top;
      parts.push(
        `<rect x="${x.toFixed(1)}" y="${top.toFixed(1)}" width="${(barWidth - 1).toFixed(1)}" height="${height.toFixed(1)}" fill="${colorOf(index)}"/>`,
      );
      const label = value > chart.yMax ? `${value.toFixed(2)} ↑` : value.toFixed(3);
      parts.push(upright(label, middle + 4, Math.max(top - 4, TOP - 2)));
    }
  }
  return frame(
    chart,
    series.map(({ name }) => name),
    parts,
  );
}

export function lineChart(chart: LineChart): string {
  const { ticks, series } = chart;
  const y = scaleOf(chart);
  const step = (WIDTH - LEFT - RIGHT) / Math.max(ticks.length, 1);
  const x = (index: number) => LEFT + (index + 0.5) * step;
  const parts = ticks.map((tick, index) => text(tick, x(index), HEIGHT - BOTTOM + 18, "middle"));
  parts.push(text(chart.xLabel, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, "middle"));
  for (const [index, { values, isDashed }] of series.entries()) {
    const color = colorOf(index);
    const points = values
      .map((value, tick) => ({ value, at: x(tick) }))
      .filter(({ value }) => Number.isFinite(value))
      .map(({ value, at }) => ({ at: at.toFixed(1), height: y(value).toFixed(1) }));
    const path = points.map(({ at, height }) => `${at},${height}`).join(" ");
    const dashes = isDashed ? ' stroke-dasharray="5 4"' : "";
    parts.push(
      `<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2"${dashes}/>`,
    );
    for (const { at, height } of points) {
      parts.push(`<circle cx="${at}" cy="${height}" r="3.5" fill="${color}"/>`);
    }
  }
  return frame(
    chart,
    series.map(({ name }) => name),
    parts,
  );
}

function scaleOf({ yMin, yMax }: Frame): (value: number) => number {
  const height = HEIGHT - TOP - BOTTOM;
  return (value) => {
    const share = (Math.min(Math.max(value, yMin), yMax) - yMin) / (yMax - yMin);
    return TOP + height * (1 - share);
  };
}

function frame(chart: Frame, names: readonly string[], parts: readonly string[]): string {
  const y = scaleOf(chart);
  const lines: string[] = [];
  const step = stepOf(chart.yMax - chart.yMin);
  for (let n = 0; chart.yMin + n * step <= chart.yMax * (1 + 1e-9); n++) {
    const value = chart.yMin + n * step;
    const at = y(value).toFixed(1);
    lines.push(`<path d="M${LEFT} ${at}H${WIDTH - RIGHT}" stroke="#ddd"/>`);
    lines.push(text(String(Number(value.toPrecision(6))), LEFT - 8, Number(at) + 4, "end"));
  }
  const legend = names.map((name, index) => {
    const left = LEFT + index * Math.min(170, (WIDTH - LEFT - RIGHT) / names.length);
    return `<rect x="${left}" y="32" width="12" height="12" fill="${colorOf(index)}"/>${text(name, left + 17, 42, "start")}`;
  });
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="11">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="20" font-size="14">${escapeXml(chart.title)}</text>`,
    ...legend,
    ...lines,
    `<text transform="translate(16 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escapeXml(chart.yLabel)}</text>`,
    ...parts,
    `<path d="M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}" fill="none" stroke="#000"/>`,
    "</svg>",
  ].join("\n")}\n`;
}

function colorOf(index: number): string {
  return COLORS[index % COLORS.length]!;
}

function text(words: string, x: number, y: number, anchor: "start" | "middle" | "end"): string {
  return `<text x="${x.toFixed(1)}" y="${y}" text-anchor="${anchor}">${escapeXml(words)}</text>`;
}

/** Text along a bar that is narrower than it. */
function upright(words: string, x: number, y: number): string {
  const at = `translate(${x.toFixed(1)} ${y.toFixed(1)}) rotate(-90)`;
  return `<text transform="${at}" font-size="10">${escapeXml(words)}</text>`;
}

/** A round number that divides a span into about six. */
function stepOf(span: number): number {
  const rough = span / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  for (const factor of [1, 2, 5]) if (factor * power >= rough) return factor * power;
  return 10 * power;
}

function escapeXml(words: string): string {
  return words.replace(/[<>&"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
