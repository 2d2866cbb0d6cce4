/**
 * Kinds that raysidue does not know: a sequence to whatever somebody's engine makes of it.
 *
 * Owns: what an own kind may be called, the canonical form of its parameters, which sequences it
 * takes and how its rows are shown. Invariant: equal parameters have one canonical form. Rows are
 * bytes: nothing here knows what they mean.
 */
import { RaysidueError } from "../base/errors.ts";
import { RARE_LETTERS, type SequenceRules } from "./sequence.ts";

/** Kinds with a command of their own. */
const KNOWN_KINDS: ReadonlySet<string> = new Set(["embed", "annotate", "score"]);

const KIND_NAME = /^[a-z][a-z0-9_-]{0,63}$/;

/** Nesting of parameters; deeper is a mistake or an attack. */
const DEPTH_MAX = 32;

/** Throws RaysidueError "usage" where `kind` is no name for an own kind. */
export function checkOwnKind(kind: string): void {
  if (KNOWN_KINDS.has(kind)) {
    throw new RaysidueError("usage", `${kind} has a command of its own: raysidue ${kind}`);
  }
  if (!KIND_NAME.test(kind)) {
    const text = "a kind is named with up to 64 of a-z, 0-9, - and _, a letter first";
    throw new RaysidueError("usage", `kind ${JSON.stringify(kind)}: ${text}`);
  }
}

/** Any letter of proteins; what the rare ones mean is the engine's affair. */
export const OWN_RULES: SequenceRules = {
  alphabet: `ACDEFGHIKLMNPQRSTVWY${RARE_LETTERS}`,
  unknownLetters: "",
  maxLength: undefined,
  onLong: "error",
};

/** JSON with sorted keys and no blanks. Throws RaysidueError "usage" for what JSON cannot say. */
export function canonicalParameters(parameters: Readonly<Record<string, unknown>>): string {
  return canonicalText(parameters, 0);
}

function canonicalText(value: unknown, depth: number): string {
  if (depth > DEPTH_MAX) throw new RaysidueError("usage", "parameters are nested too deeply");
  if (Array.isArray(value)) {
    return `[${value.map((each) => canonicalText(each, depth + 1)).join(",")}]`;
  }
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => `${JSON.stringify(key)}:${canonicalText(each, depth + 1)}`);
    return `{${fields.join(",")}}`;
  }
  const isSound = value === null || ["string", "boolean"].includes(typeof value);
  if (isSound || Number.isFinite(value)) return JSON.stringify(value);
  throw new RaysidueError("usage", `parameters: ${String(value)} is no JSON value`);
}

/** A row for people: as JSON where it is JSON in UTF-8, else as base64 of its bytes. */
export type OwnRow = { readonly result: unknown } | { readonly base64: string };

export function showOwnRow(payload: Uint8Array): OwnRow {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(payload);
    return { result: JSON.parse(text) };
  } catch {
    // Not JSON: an engine may answer whatever its user can read.
    return { base64: Buffer.from(payload).toString("base64") };
  }
}
