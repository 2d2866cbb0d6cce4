/**
 * Where an option's value comes from: command line > environment > project file > user file.
 *
 * Owns: the environment's names (`--max-length` is RAYSIDUE_MAX_LENGTH) and the two files,
 * `raysidue.toml` in the working folder and `config.toml` in the user's configuration folder. Keys
 * are the long flags' names; a table named after a command (`[embed]`, `[worker.start]`) holds that
 * command's. Invariant: a key that no command has is an error, not silence.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { type Command, CommanderError, type Option } from "commander";
import { RaysidueError } from "../base/errors.ts";
import { asReplaceable, collect } from "./option-values.ts";

type Table = { readonly [key: string]: unknown };

/**
 * Gives every option of `command` and below its twin in the environment. Commander reads only
 * twins that were named before the option was added; so the values are applied here, when it is
 * known which command runs: a bad value of another command's option must not matter.
 */
export function nameEnvironment(command: Command): void {
  for (const option of command.options) {
    if (option.long === "--version" || option.long == null) continue;
    const name = option.negate ? option.long.replace("--no-", "--") : option.long;
    option.env(`RAYSIDUE_${name.slice(2).toUpperCase().replaceAll("-", "_")}`);
  }
  command.hook("preSubcommand", (_parent, running) => applyEnvironment(running));
  command.commands.forEach(nameEnvironment);
}

function applyEnvironment(command: Command): void {
  for (const option of command.options) {
    const text = option.envVar === undefined ? undefined : process.env[option.envVar];
    if (text === undefined) continue;
    const isOn = !["", "0", "false", "no"].includes(text.toLowerCase());
    if (option.isBoolean()) {
      // RAYSIDUE_CACHE=0 is the twin of --no-cache.
      command.setOptionValueWithSource(option.attributeName(), isOn, "env");
    } else if (text !== "") {
      const value = parseText(option, text, `${option.envVar}`);
      command.setOptionValueWithSource(option.attributeName(), asReplaceable(value), "env");
    }
  }
}

function parseText(
  option: Option,
  text: string,
  where: string,
  earlier: unknown = option.defaultValue,
): unknown {
  try {
    return option.parseArg === undefined ? text : option.parseArg(text, earlier as never);
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    throw new RaysidueError("usage", `${where}: "${text}" is no ${option.long}: ${thrown.message}`);
  }
}

/** Applies the files to all commands, the user's first so that the project's override it. */
export async function applyFiles(program: Command): Promise<void> {
  const configFolder = process.env.XDG_CONFIG_HOME || join(homedir(), ".config");
  const files = [join(configFolder, "raysidue", "config.toml"), resolve("raysidue.toml")];
  for (const file of files) {
    const text = readIfThere(file);
    if (text !== undefined) await applyFile(program, text, file);
  }
}

async function applyFile(program: Command, text: string, file: string): Promise<void> {
  const { parse, TomlError } = await import("smol-toml");
  let table: Table;
  try {
    table = parse(text) as Table;
  } catch (thrown) {
    if (!(thrown instanceof TomlError)) throw thrown;
    const [summary] = thrown.message.split("\n");
    throw new RaysidueError("usage", `${file}:${thrown.line}: ${summary}`, { cause: thrown });
  }
  applyTable(program, program, table, file);
}

function applyTable(program: Command, command: Command, table: Table, file: string): void {
  for (const [key, value] of Object.entries(table)) {
    const below = command.commands.find((each) => each.name() === key);
    if (below !== undefined && isTable(value)) applyTable(program, below, value, file);
    else applyValue(command, key, value, file);
  }
}

function applyValue(command: Command, key: string, value: unknown, file: string): void {
  const targets = command.parent === null ? allCommands(command) : [command];
  let isKnown = false;
  for (const target of targets) {
    const option = target.options.find((each) => each.long === `--${key}`);
    if (option === undefined) continue;
    isKnown = true;
    const parsed = option.isBoolean() ? value : parseValue(option, value, `${file}: ${key}`);
    target.setOptionValueWithSource(option.attributeName(), asReplaceable(parsed), "config");
  }
  if (!isKnown) throw new RaysidueError("usage", `${file}: no command has an option "${key}"`);
}

/** A list is what stands several times on the command line, or between commas. */
function parseValue(option: Option, value: unknown, where: string): unknown {
  if (!Array.isArray(value)) return parseText(option, String(value), where);
  if ((option.parseArg as unknown) !== collect) return parseText(option, value.join(","), where);
  let parsed = option.defaultValue;
  for (const each of value) parsed = parseText(option, String(each), where, parsed);
  return parsed;
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // Absent or unreadable: the defaults hold.
    return undefined;
  }
}
