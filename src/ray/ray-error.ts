/**
 * What went wrong in Ray, from the exceptions it pickles: read, never raised.
 *
 * Ray answers a failed task with a *value* of a class in `ray.exceptions`; a refused request with a
 * pickled exception of any class.
 */
import { stripVTControlCharacters } from "node:util";
import { RaysidueError } from "../base/errors.ts";
import { readPickle } from "./pickle-reader.ts";
import { PyCall, PyGlobal } from "./pickle-value.ts";

/** The last lines of a Python traceback say what; the rest says where in Ray. */
const LINES_MAX = 3;
/** What we bring lies in the object store on its way. */
const STORE_FULL: ReadonlySet<string> = new Set(["ObjectStoreFullError", "OutOfDiskError"]);

/** The error that `value`, the result of a task, stands for; undefined: it is a result. */
export function errorOfResult(value: unknown): RaysidueError | undefined {
  const global = classOf(value);
  return global?.module.startsWith("ray.exceptions")
    ? describe(value as PyCall, global)
    : undefined;
}

/** The error behind a refused request. */
export function errorOfPickle(bytes: Buffer, doing: string): RaysidueError {
  const said = (text: string) => new RaysidueError("try-again", `Ray Client: ${doing}: ${text}`);
  try {
    const value = readPickle(bytes);
    const global = classOf(value);
    if (global !== undefined) {
      const { code, message } = describe(value as PyCall, global);
      return code === "try-again" ? said(message) : new RaysidueError(code, message);
    }
  } catch {
    // Whatever it is, Ray refused; that is what has to be said.
  }
  return said(`${bytes.length} bytes that are no exception`);
}

/** The class of a pickled instance: the callable, or the first argument of `object.__new__`-likes. */
function classOf(value: unknown): PyGlobal | undefined {
  if (!(value instanceof PyCall)) return undefined;
  if (value.callable instanceof PyGlobal) {
    const isMaker = /^(copyreg\.|ray\.exceptions\._?[a-z])/.test(value.callable.path);
    const [first] = Array.isArray(value.args) ? value.args : [];
    return isMaker && first instanceof PyGlobal ? first : value.callable;
  }
  return undefined;
}

function describe(value: PyCall, global: PyGlobal): RaysidueError {
  const args = Array.isArray(value.args) ? value.args : [];
  const state = value.state instanceof Map ? value.state : new Map<unknown, unknown>();
  const texts = [state.get("traceback_str"), args[1], state.get("error_msg"), args[0]];
  const text = texts.find((each) => typeof each === "string" && each !== "") ?? "no reason given";
  const lines = stripVTControlCharacters(String(text))
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const what = lines.slice(-LINES_MAX).join("; ");
  if (STORE_FULL.has(global.name)) {
    const advice =
      "give it some (ray start --object-store-memory), or have code (--package) and models on the nodes";
    return new RaysidueError(
      "unavailable",
      `the head's object store has no room for more (${what}); ${advice}`,
    );
  }
  return new RaysidueError("try-again", `Ray: ${global.name}: ${what}`);
}
