/**
 * Which program an engine's name stands for on this machine.
 *
 * Owns: the engines that come with raysidue, and those the worker's configuration adds. Invariant:
 * a name from the wire only chooses among these; nothing that a driver sends is ever a command.
 * An engine in Python may be given as a folder with `engine.py` and `requirements.txt`: its
 * environment is made here (python-venv.ts).
 */
import { statSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { RaysidueError } from "../../base/errors.ts";
import type { EngineLaunch } from "./engine-host.ts";
import { ensureVenv } from "./python-venv.ts";

/** Engines in our own process (engine/process.ts). */
const OWN_PROCESS: ReadonlySet<string> = new Set(["onnx", "score", "emulate"]);

/** What raysidue brings for engines in other languages; three folders up from dist/src/engine/host. */
const ENGINES_FOLDER = fileURLToPath(new URL("../../../../cluster/engines", import.meta.url));

const BUILT_IN: ReadonlyMap<string, EngineSource> = new Map([
  ["annotate", { type: "python", folder: join(ENGINES_FOLDER, "annotate") }],
  ["anarci", { type: "python", folder: join(ENGINES_FOLDER, "anarci") }],
]);

type EngineSource =
  | { readonly type: "command"; readonly command: readonly string[] }
  | { readonly type: "python"; readonly folder: string };

/** An engine of the user's: what `--engine NAME=COMMAND` says. */
export interface NamedEngine {
  readonly name: string;
  readonly source: EngineSource;
}

export const ENGINE_NAME = /^[a-z][a-z0-9_-]{0,63}$/;

/**
 * Reads `NAME=COMMAND ARGUMENTS...` or `NAME=FOLDER`, a folder with an engine.py. Words may be
 * quoted; nothing is expanded. Throws RaysidueError "usage".
 */
export function parseEngine(text: string): NamedEngine {
  const at = text.indexOf("=");
  const name = text.slice(0, Math.max(0, at)).trim();
  const what = text.slice(at + 1).trim();
  if (!ENGINE_NAME.test(name) || what === "") {
    const example = "write e.g. charge='python3 charge_engine.py', or charge=FOLDER";
    throw new RaysidueError("usage", `--engine ${text}: no name and command; ${example}`);
  }
  if (OWN_PROCESS.has(name) || BUILT_IN.has(name)) {
    const said = `--engine ${name}: raysidue has an engine of that name; choose another`;
    throw new RaysidueError("usage", said);
  }
  const folder = resolve(what);
  if (isFile(join(folder, "engine.py"))) return { name, source: { type: "python", folder } };
  return { name, source: { type: "command", command: wordsOf(what) } };
}

/** Words as a shell would part them, without anything else a shell does. */
export function wordsOf(text: string): string[] {
  const words: string[] = [];
  const pattern = /((?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'\\])+)|(\S)/g;
  for (const [, word, stray] of text.matchAll(pattern)) {
    if (word === undefined) {
      throw new RaysidueError("usage", `a quote is left open at ${stray} in: ${text}`);
    }
    const plain = word.replace(
      /"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)/g,
      (_, double?: string, single?: string, escaped?: string) =>
        double?.replace(/\\(["\\])/g, "$1") ?? single ?? escaped ?? "",
    );
    words.push(plain);
  }
  return words;
}

/** Whether the engine called `name` runs in our own process. */
export function isOwnProcess(name: string): boolean {
  return OWN_PROCESS.has(name);
}

export class EngineRegistry {
  readonly #own: ReadonlyMap<string, EngineSource>;
  readonly #onMake: ((text: string) => void) | undefined;
  readonly #launches = new Map<string, Promise<EngineLaunch>>();

  /** `onMake` is told when an environment has to be made, which takes a while. */
  constructor(engines: readonly NamedEngine[], onMake?: (text: string) => void) {
    this.#own = new Map(engines.map(({ name, source }) => [name, source]));
    this.#onMake = onMake;
  }

  /** Whether there is an engine called `name`. */
  has(name: string): boolean {
    return OWN_PROCESS.has(name) || BUILT_IN.has(name) || this.#own.has(name);
  }

  /**
   * How to start the engine called `name`; an empty launch is our own process. Throws
   * RaysidueError "unavailable" where there is no such engine here, or what ensureVenv throws.
   */
  launch(name: string): Promise<EngineLaunch> {
    const known = this.#launches.get(name);
    if (known !== undefined) return known;
    const found = this.#find(name);
    this.#launches.set(name, found);
    // The next run tries again: the network may be back.
    found.catch(() => this.#launches.delete(name));
    return found;
  }

  async #find(name: string): Promise<EngineLaunch> {
    if (OWN_PROCESS.has(name)) return {};
    const source = BUILT_IN.get(name) ?? this.#own.get(name);
    if (source === undefined) {
      const said = `no engine ${JSON.stringify(name)} on this worker`;
      const todo = `start it with --engine ${name}=COMMAND or name it in raysidue.toml`;
      throw new RaysidueError("unavailable", `${said}; ${todo}`);
    }
    const environment = {
      PYTHONPATH: [ENGINES_FOLDER, process.env.PYTHONPATH ?? ""].filter(Boolean).join(delimiter),
      // Packages that the user happens to have would change results; our folders stay clean.
      PYTHONNOUSERSITE: "1",
      PYTHONDONTWRITEBYTECODE: "1",
    };
    if (source.type === "command") return { command: source.command, environment };
    const python = await ensureVenv(join(source.folder, "requirements.txt"), {
      environment: process.env,
      ...(this.#onMake && { onMake: this.#onMake }),
    });
    return { command: [python, join(source.folder, "engine.py")], environment };
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
