/**
 * A program run to its end: what it says and how long it takes.
 *
 * Invariant: one that does not end well throws, with the end of what it complained.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";

export interface Ended {
  /** On standard output. */
  readonly said: string;
  /** From just before it started until it had ended. */
  readonly seconds: number;
}

/** `what`: the program in the words of an error. */
export async function runToEnd(
  what: string,
  [program, ...rest]: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Ended> {
  const startedAt = performance.now();
  const child = spawn(program!, rest, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let [said, complained] = ["", ""];
  child.stdout.on("data", (bytes: Buffer) => {
    said += bytes.toString();
  });
  child.stderr.on("data", (bytes: Buffer) => {
    complained = (complained + bytes.toString()).slice(-2000);
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${what} ended with ${code}: ${complained}`);
  return { said, seconds: (performance.now() - startedAt) / 1000 };
}
