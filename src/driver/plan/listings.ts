/**
 * Which files inputs stand for, by what they hold.
 *
 * Owns: the extensions that count in folders, and that inputs are looked at before anything is
 * fetched for them.
 */
import { listInputs } from "../../formats/text/input-paths.ts";
import { FASTA_EXTENSIONS } from "../../formats/text/text-source.ts";

/** Extensions under which folders are searched; each also with `.gz`. */
export const LISTINGS = {
  sequences: { extensions: FASTA_EXTENSIONS, kind: "FASTA" },
  poses: { extensions: [".pdb", ".ent", ".cif", ".mmcif", ".qv"], kind: "structures" },
} as const;

export type InputItems = keyof typeof LISTINGS;

/**
 * Throws RaysidueError as reading would where an input is missing: a wrong name is told before a
 * model of gigabytes is brought here. Files are listed again when they are read, which takes a
 * second for a million.
 */
export async function checkInputs(
  items: InputItems,
  inputs: readonly string[],
  isRecursive: boolean,
): Promise<void> {
  await listInputs(inputs, { ...LISTINGS[items], recursive: isRecursive });
}
