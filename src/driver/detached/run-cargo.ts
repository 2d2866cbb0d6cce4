/**
 * What goes along with a run that is left on a cluster: inputs, other files, models.
 *
 * Owns: where each lies there. Inputs keep the names that they have here, as far as these are within
 * the working folder, so that tables name files as a run here would. Invariant: the manifest comes
 * last in its archive; where it is, all of the run is.
 */
import { stat, writeFile } from "node:fs/promises";
import { basename, isAbsolute, join, normalize, resolve } from "node:path";
import { fromSystemError, RaysidueError } from "../../base/errors.ts";
import { type ListOptions, listInputs } from "../../formats/text/input-paths.ts";
import { Archive } from "../../ray/archive.ts";
import type { TarEntry } from "../../ray/tar.ts";
import {
  folderInHub,
  isOwnFolder,
  modelArchive,
  type ProvidedModel,
} from "../fleet/model-archive.ts";
import { type InputItems, LISTINGS } from "../plan/listings.ts";
import type { PlacedFlag, RunManifest } from "./run-manifest.ts";

export interface CargoRequest {
  /** Of raysidue, without inputs, places and flags that name what goes along. */
  readonly command: readonly string[];
  readonly inputs: readonly string[];
  /** What inputs hold: says which files count in folders. */
  readonly items: InputItems;
  readonly isRecursive: boolean;
  /** Files that flags name. */
  readonly files: readonly { readonly flag: string; readonly path: string }[];
  readonly models: readonly NamedModel[];
  readonly outputFolder: string;
  readonly keepSeconds: number;
}

export interface NamedModel {
  /** Of the command, which names the model. */
  readonly flag: string;
  readonly model: ProvidedModel;
}

/** Everything as archives; `scratch` keeps what they are read from. Throws RaysidueError. */
export async function packRun(
  run: string,
  request: CargoRequest,
  scratch: string,
): Promise<readonly Archive[]> {
  const models: Archive[] = [];
  const flags: PlacedFlag[] = [];
  for (const { flag, model } of request.models) {
    const archive = await modelArchive(model);
    if (archive === undefined) continue;
    models.push(archive);
    if (isOwnFolder(model)) flags.push({ flag, root: "hub", path: folderInHub(model) });
  }
  const cargo = new Cargo(run);
  const listing = { ...LISTINGS[request.items], recursive: request.isRecursive };
  const inputs = [];
  for (const input of request.inputs) inputs.push(await cargo.addInput(input, listing));
  for (const { flag, path } of request.files) {
    const place = join("files", flag.replace(/^-+/, ""), basename(path));
    await cargo.add(place, path);
    flags.push({ flag, root: "run", path: place });
  }
  const { command, outputFolder, keepSeconds } = request;
  const startedAt = new Date().toISOString();
  const manifest = { run, command, inputs, flags, outputFolder, keepSeconds, startedAt };
  return [await cargo.seal(manifest, join(scratch, "manifest.json")), ...models];
}

class Cargo {
  readonly #run: string;
  readonly #entries = new Map<string, TarEntry>();

  constructor(run: string) {
    this.#run = run;
  }

  /** Adds what an input stands for; returns what it is called from the run's folder of inputs. */
  async addInput(input: string, listing: ListOptions): Promise<string> {
    if (input === "-")
      throw new RaysidueError("usage", "--detach: write the input to a file first");
    for (const path of await listInputs([input], listing)) {
      await this.add(join("input", placeOf(path)), path);
    }
    return placeOf(input);
  }

  async add(place: string, path: string): Promise<void> {
    const name = `${this.#run}/${place}`;
    const known = this.#entries.get(name);
    if (known !== undefined && resolve(known.path) !== resolve(path)) {
      const text = `--detach: ${known.path} and ${path} would have one name there; rename one`;
      throw new RaysidueError("usage", text);
    }
    const { size } = await stat(path).catch((thrown: unknown) => {
      throw fromSystemError(thrown, `cannot read ${path}`);
    });
    this.#entries.set(name, { name, path, sizeBytes: size });
  }

  async seal(manifest: RunManifest, path: string): Promise<Archive> {
    const text = JSON.stringify(manifest);
    await writeFile(path, text);
    const sizeBytes = Buffer.byteLength(text);
    // Sorts behind files/ and input/.
    const name = `${this.#run}/manifest.json`;
    this.#entries.set(name, { name, path, sizeBytes });
    const entries = [{ path: name, sizeBytes }];
    return Archive.of([...this.#entries.values()], { kind: "run", entries });
  }
}

/** A path, or a pattern, as seen from the folder of inputs; what is not below this one goes aside. */
function placeOf(path: string): string {
  const plain = normalize(path);
  const isBelow = !isAbsolute(plain) && plain !== ".." && !plain.startsWith("../");
  return isBelow ? plain : join("elsewhere", resolve(path));
}
