/**
 * What a person sees of a model being fetched: one line on a terminal, a line every 10 s elsewhere.
 */
import { formatBytes } from "../base/units.ts";
import type { PullProgress } from "../model/pull-context.ts";

const EVERY_MS = { terminal: 200, plain: 10_000 } as const;

export function showPull(name: string): (progress: PullProgress) => void {
  const isTerminal = process.stderr.isTTY === true;
  const everyMs = isTerminal ? EVERY_MS.terminal : EVERY_MS.plain;
  let shownAt = 0;
  let phase = "";
  return (progress) => {
    const now = Date.now();
    if (progress.phase === phase && now - shownAt < everyMs) return;
    shownAt = now;
    phase = progress.phase;
    const total = progress.totalBytes > 0 ? ` of ${formatBytes(progress.totalBytes)}` : "";
    const done = progress.doneBytes > 0 ? ` ${formatBytes(progress.doneBytes)}${total}` : "";
    const line = `${name}: ${phase} ${progress.file}${done}`;
    process.stderr.write(isTerminal ? `\r\u001b[K${line}` : `${line}\n`);
  };
}
