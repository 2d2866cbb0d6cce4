/**
 * What was learned of costs on this machine, for the next prediction.
 *
 * Owns: one file in raysidue's cache folder, and what an answer is known by. Invariant: costs are
 * used only for the same machine, version, kind, model and parameters, and for items of like size:
 * a token of a long sequence costs more than one of a short. It is a cache: unreadable means empty.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import os from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { ensureFolder, writeFileAtomically } from "../../base/files.ts";
import { VERSION } from "../../base/version.ts";
import { ownCacheFolder } from "../../model/environment.ts";
import type { NamedSpace } from "../../store/cache.ts";

const REMEMBERED = z.object({
  secondsPerCost: z.number().positive(),
  startSeconds: z.number().min(0),
  writeSecondsPerRow: z.number().min(0),
  devices: z.number().int().min(1),
  items: z.number().int().min(1),
  /** Largest resident memory of driver and node; 0 where it is not known. */
  driverBytes: z.number().min(0),
  nodeBytes: z.number().min(0),
  /** Unix milliseconds. */
  learnedAt: z.number(),
});
export type RememberedCosts = Readonly<z.infer<typeof REMEMBERED>>;

/** Packages, drivers and neighbours change; a month is what one remembers of a machine. */
const KEPT_MS = 30 * 24 * 3600 * 1000;

export interface CostQuestion {
  readonly space: NamedSpace;
  /** Mean cost of an item. */
  readonly meanCost: number;
  /** How often an item comes in the input, on average. */
  readonly rowsPerItem: number;
  /** How the node's engines were asked for. */
  readonly settings: readonly (string | number | undefined)[];
}

export class CostMemory {
  readonly #path = join(ownCacheFolder(process.env), "costs.json");

  async read(question: CostQuestion): Promise<RememberedCosts | undefined> {
    const found = (await this.#readAll())[keyOf(question)];
    const isFresh = found !== undefined && Date.now() - found.learnedAt < KEPT_MS;
    return isFresh ? found : undefined;
  }

  async write(question: CostQuestion, costs: RememberedCosts): Promise<void> {
    try {
      await ensureFolder(dirname(this.#path));
      const all = { ...(await this.#readAll()), [keyOf(question)]: costs };
      await writeFileAtomically(this.#path, `${JSON.stringify(all, null, 1)}\n`);
    } catch {
      // A read-only cache folder costs a sample each time.
    }
  }

  async #readAll(): Promise<Record<string, RememberedCosts>> {
    try {
      const text = await readFile(this.#path, "utf8");
      return z.record(z.string(), REMEMBERED).parse(JSON.parse(text));
    } catch {
      return {};
    }
  }
}

function keyOf({ space, meanCost, rowsPerItem, settings }: CostQuestion): string {
  const machine = [os.cpus()[0]?.model ?? "", os.availableParallelism(), os.totalmem()];
  const { kind, fingerprint, parameters } = space;
  const facts = [VERSION, process.version, ...machine, kind, fingerprint, parameters];
  const sizes = [meanCost + 1, rowsPerItem].map((each) => Math.round(2 * Math.log2(each)));
  const text = JSON.stringify([...facts, ...sizes, ...settings.map((each) => each ?? null)]);
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
