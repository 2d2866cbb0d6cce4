/**
 * A file for the nodes: a tar archive known by its digest, read from disk whenever it is sent.
 *
 * Invariant: what is sent has the digest that was announced, or sending fails, then and ever after:
 * a file that changed does not change back.
 */
import { createHash } from "node:crypto";
import { RaysidueError } from "../base/errors.ts";
import type { ShippedFile } from "../rpc/bridge-messages.ts";
import { PIECE_BYTES, type RayCluster } from "./cluster.ts";
import { ChangedError, type TarEntry, tarBytes, tarOf } from "./tar.ts";

/** Pieces go through the object store of one node, which spills to its disk. */
const FILE_BYTES_MAX = 64 * 1024 ** 3;

export class Archive {
  readonly file: ShippedFile;
  readonly #entries: readonly TarEntry[];
  /** The digest is of the archive's own bytes. */
  readonly #isOfBytes: boolean;
  #adding: Promise<void> | undefined;
  #changed: ChangedError | undefined;

  private constructor(entries: readonly TarEntry[], file: ShippedFile, isOfBytes: boolean) {
    this.#entries = entries;
    this.#isOfBytes = isOfBytes;
    this.file = file;
  }

  /** Reads all entries once, for the digest, unless a digest of what they contain is given. */
  static async of(
    entries: readonly TarEntry[],
    what: Pick<ShippedFile, "kind" | "entries"> & { readonly digest?: string },
  ): Promise<Archive> {
    const sorted = [...entries].sort((a, b) => (a.name < b.name ? -1 : 1));
    const sizeBytes = tarBytes(sorted);
    if (sizeBytes > FILE_BYTES_MAX) {
      const text = `${sizeBytes} bytes are too many to ship to nodes (${FILE_BYTES_MAX} at most)`;
      throw new RaysidueError("unavailable", `${text}; put them on storage that nodes share`);
    }
    if (what.digest !== undefined) {
      return new Archive(sorted, { ...what, digest: what.digest, sizeBytes }, false);
    }
    const sha256 = createHash("sha256");
    for await (const piece of tarOf(sorted)) sha256.update(piece);
    return new Archive(sorted, { ...what, digest: sha256.digest("hex"), sizeBytes }, true);
  }

  /**
   * Adds the archive to what the cluster holds, unless it is there. Calls at once share one. Throws
   * ChangedError.
   */
  addTo(cluster: RayCluster): Promise<void> {
    this.#adding ??= this.#add(cluster)
      .catch((thrown: unknown) => {
        if (thrown instanceof ChangedError) this.#changed = thrown;
        throw thrown;
      })
      .finally(() => {
        this.#adding = undefined;
      });
    return this.#adding;
  }

  /** For people. */
  get #what(): string {
    return this.file.kind === "package" ? "this installation of raysidue" : "an input";
  }

  async #add(cluster: RayCluster): Promise<void> {
    const { digest } = this.file;
    if (await cluster.holdsFile(digest)) return;
    if (this.#changed !== undefined) throw this.#changed;
    const sha256 = createHash("sha256");
    let index = 0;
    let last: Buffer | undefined;
    for await (const data of inPieces(tarOf(this.#entries))) {
      if (this.#isOfBytes) sha256.update(data);
      if (last !== undefined) {
        await cluster.addPiece({ digest, index: index++, isLast: false, data: last });
      }
      last = data;
    }
    // Another content of the same length.
    if (this.#isOfBytes && sha256.digest("hex") !== digest) throw new ChangedError(this.#what);
    await cluster.addPiece({ digest, index, isLast: true, data: last ?? Buffer.alloc(0) });
  }
}

async function* inPieces(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let piece = Buffer.allocUnsafe(PIECE_BYTES);
  let filled = 0;
  for await (const bytes of source) {
    let offset = 0;
    while (offset < bytes.length) {
      const copied = bytes.copy(piece, filled, offset);
      offset += copied;
      filled += copied;
      if (filled < PIECE_BYTES) continue;
      yield piece;
      piece = Buffer.allocUnsafe(PIECE_BYTES);
      filled = 0;
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}
