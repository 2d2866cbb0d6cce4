/**
 * Logging of the daemons: one JSON line an event on stderr or in a file.
 *
 * Owns: the shape of a log line and the level's name in the environment (RAYSIDUE_LOG). Daemons
 * log; the driver speaks to a person and does not use this.
 */
import { pino } from "pino";

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const LEVELS = ["debug", "info", "warn", "error", "silent"];

/** A log named after its process. `RAYSIDUE_LOG` sets the level: debug, info, warn, error, silent. */
export function createLog(name: string): Log {
  const asked = process.env.RAYSIDUE_LOG ?? "info";
  const level = LEVELS.includes(asked) ? asked : "info";
  // Synchronous: the last line before a crash is the one that matters.
  const destination = pino.destination({ dest: 2, sync: true });
  return pino({ name, level, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}
