/**
 * `--detach`: a command that is handed over to a Ray cluster instead of being followed here.
 *
 * Owns: what of the command line goes along. Flags go as they were typed, but for those that name
 * files and models of this machine: these go along themselves. The output folder and the address are
 * other ones there.
 */
import type { Command, Option } from "commander";
import { RaysidueError } from "../base/errors.ts";
import type { CargoRequest, NamedModel } from "../driver/detached/run-cargo.ts";
import { printJson } from "./exit.ts";
import { parseSeconds } from "./option-values.ts";

export interface DetachFlags {
  readonly output: string;
  readonly address?: string | undefined;
  readonly recursive?: true | undefined;
  readonly detach?: true | undefined;
  readonly keep?: number | undefined;
  readonly json?: true | undefined;
}

/** Adds `--detach` to a command with DetachFlags. */
export function addDetachOption(command: Command): void {
  command
    .option("--detach", "on a Ray cluster: leave the run there; `run wait` brings its results home")
    .option(
      "--keep <time>",
      "with --detach: results that nobody fetches are removed so long after the end (default: 14d)",
      parseSeconds,
    );
}

export interface DetachedJob {
  readonly items: CargoRequest["items"];
  /** Options whose values are files. */
  readonly files?: readonly string[];
  /** What nodes are going to need, each with the flag that names it. Throws for what is not here. */
  models(say: (text: string) => void): Promise<readonly NamedModel[]>;
}

/** Hands the command over and prints the run's name. Throws RaysidueError. */
export async function detachJob(
  command: Command,
  inputs: readonly string[],
  flags: DetachFlags,
  job: DetachedJob,
): Promise<void> {
  const { address } = flags;
  if (address === undefined) {
    throw new RaysidueError("usage", "--detach: say with --address on which Ray cluster");
  }
  const words = process.argv.slice(3);
  const files = filesOf(command, job.files ?? []);
  const filed = files.map(({ flag }) => flag);
  // What is wrong with the command line is known before anything is fetched.
  flagsTyped(command, words, filed);
  const [{ checkInputs }, { DetachedRuns }, { isOwnFolder }, { KEEP_SECONDS }, { resolve }] =
    await Promise.all([
      import("../driver/plan/listings.ts"),
      import("../driver/detached/detached-run.ts"),
      import("../driver/fleet/model-archive.ts"),
      import("../driver/detached/run-manifest.ts"),
      import("node:path"),
    ]);
  const say = (text: string) => process.stderr.write(`${text}\n`);
  await checkInputs(job.items, inputs, flags.recursive === true);
  const models = await job.models(say);
  const placed = models.filter(({ model }) => isOwnFolder(model)).map(({ flag }) => flag);
  await using runs = await DetachedRuns.connect(address);
  say(runs.description);
  const run = await runs.leave({
    command: [command.name(), ...flagsTyped(command, words, [...filed, ...placed])],
    inputs,
    items: job.items,
    isRecursive: flags.recursive === true,
    files,
    models,
    outputFolder: resolve(flags.output),
    keepSeconds: flags.keep ?? KEEP_SECONDS,
    onNotice: say,
  });
  say(`left there; bring it home with: raysidue run wait ${run} --address ${address}`);
  if (flags.json) printJson({ run, address });
  else process.stdout.write(`${run}\n`);
}

function filesOf(command: Command, names: readonly string[]) {
  return command.options.flatMap((option) => {
    const path: unknown = command.getOptionValue(option.attributeName());
    if (!names.includes(option.attributeName()) || typeof path !== "string") return [];
    return [{ flag: option.long!, path }];
  });
}

/** Not along: what is another there, and what is said here. */
const OWN = new Set([
  ...["output", "address", "detach", "keep", "json"],
  ...["cacheDir", "scratch"],
]);

/**
 * The flags in `words`, with their values, as typed; without positional arguments and those flags,
 * as `--model`, whose values go along themselves.
 */
export function flagsTyped(
  command: Command,
  words: readonly string[],
  placed: readonly string[] = [],
): string[] {
  const stays = (option: Option) =>
    OWN.has(option.attributeName()) || placed.includes(option.long ?? "");
  for (const option of command.options) {
    const source = command.getOptionValueSource(option.attributeName());
    const isTyped = source === "cli" || source === "default" || source === undefined;
    if (stays(option) || isTyped) continue;
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
    if (!stays(option)) kept.push(...all);
  }
  return kept;
}

/** `-oout`: a short flag with its value. */
function isGlued(word: string): boolean {
  return !word.startsWith("--") && word.length > 2;
}
