/**
 * `--detach`: a command that is handed over to a Ray cluster instead of being followed here.
 *
 * Owns: what of the command line goes along. Flags go as they were typed; the inputs, the output
 * folder and the address are other ones there.
 */
import type { Command } from "commander";
import { RaysidueError } from "../base/errors.ts";
import type { ProvidedModel } from "../driver/model-archive.ts";
import { printJson } from "./exit.ts";

export interface DetachFlags {
  readonly output: string;
  readonly address?: string | undefined;
  readonly recursive?: true | undefined;
  readonly detach?: true | undefined;
  readonly json?: true | undefined;
}

/** Adds `--detach` to a command with DetachFlags. */
export function addDetachOption(command: Command): void {
  const text = "on a Ray cluster: leave the run there; `run wait` brings its results home";
  command.option("--detach", text);
}

/** Hands the command over and prints the run's name. Throws RaysidueError. */
export async function detachJob(
  command: Command,
  inputs: readonly string[],
  flags: DetachFlags,
  models: () => Promise<readonly ProvidedModel[]>,
): Promise<void> {
  const { address } = flags;
  if (address === undefined) {
    throw new RaysidueError("usage", "--detach: say with --address on which Ray cluster");
  }
  const words = [command.name(), ...flagsTyped(command, process.argv.slice(3))];
  const [{ DetachedRuns }, { resolve }] = await Promise.all([
    import("../driver/detached-run.ts"),
    import("node:path"),
  ]);
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const brought = await models();
  await using runs = await DetachedRuns.connect(address);
  say(runs.description);
  const run = await runs.leave({
    command: words,
    inputs,
    isRecursive: flags.recursive === true,
    outputFolder: resolve(flags.output),
    models: brought,
    onNotice: say,
  });
  say(`left there; bring it home with: raysidue run wait ${run} --address ${address}`);
  if (flags.json) printJson({ run, address });
  else process.stdout.write(`${run}\n`);
}

/** Not along: what is another there, and what is said here. */
const OWN = new Set(["output", "address", "detach", "json", "recursive", "cacheDir"]);

/** The flags in `words`, with their values, as typed; without positional arguments. */
export function flagsTyped(command: Command, words: readonly string[]): string[] {
  for (const option of command.options) {
    const name = option.attributeName();
    const source = command.getOptionValueSource(name);
    if (OWN.has(name) || source === "cli" || source === "default" || source === undefined) continue;
    const text = `${option.flags} comes from the ${source}; with --detach, type it`;
    throw new RaysidueError("usage", text);
  }
  const kept: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === "--") break;
    const [flag, inline] = word.startsWith("--") ? word.split(/=(.*)/s) : [word.slice(0, 2)];
    const option = command.options.find(({ long, short }) => long === flag || short === flag);
    if (!word.startsWith("-") || option === undefined) continue;
    const isAlone = option.required === false || inline !== undefined || isGlued(word);
    const all = isAlone ? [word] : [word, words[++i]!];
    if (!OWN.has(option.attributeName())) kept.push(...all);
  }
  return kept;
}

/** `-oout`: a short flag with its value. */
function isGlued(word: string): boolean {
  return !word.startsWith("--") && word.length > 2;
}
