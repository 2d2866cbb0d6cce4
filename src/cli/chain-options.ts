/**
 * Options that say which chains of a pose are which, shared by the commands on poses.
 */
import { type Command, Option } from "commander";
import { RaysidueError } from "../base/errors.ts";
import type { ChainChoice } from "../science/chains.ts";

export interface ChainFlags {
  readonly heavy?: string | undefined;
  readonly light?: string | undefined;
  readonly antigen?: readonly string[] | undefined;
  readonly auto?: true | undefined;
}

/**
 * Adds them to `command`; their values are ChainFlags. `of`: what their descriptions begin with.
 * Untyped as job-options.ts, and why there.
 */
export function addChainOptions(command: Command, of = ""): void {
  command
    .option("--heavy <chain>", `${of}chain id of the heavy chain, or of a merged Fv`)
    .option("--light <chain>", `${of}chain id of the light chain (none for nanobodies)`)
    .option("--antigen <chains>", `${of}chain ids of the antigen, with commas`, splitChains)
    .addOption(
      new Option("--auto", `${of}find the chains of each pose by annotation`).conflicts([
        "heavy",
        "light",
        "antigen",
      ]),
    );
}

function splitChains(text: string, earlier: readonly string[] = []): string[] {
  return [...earlier, ...text.split(",")];
}

/** Whether any chain is spoken of. */
export function hasChains({ auto, heavy, light, antigen }: ChainFlags): boolean {
  return [auto, heavy, light, antigen].some((flag) => flag !== undefined);
}

/** Throws RaysidueError "usage" where chains are missing. */
export function chainsOf({ auto, heavy, light, antigen }: ChainFlags): ChainChoice | "auto" {
  if (auto) return "auto";
  if (heavy === undefined || antigen === undefined) {
    const text = "name the chains with --heavy and --antigen, or let --auto find them";
    throw new RaysidueError("usage", text);
  }
  return { heavy, antigen, ...(light !== undefined && { light }) };
}
