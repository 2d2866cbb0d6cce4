/** Proves: on a full disk every writer fails with the one right error and leaves nothing behind. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { RaysidueError } from "../base/errors.ts";
import { createArrowWriter, createRaggedArrowWriter } from "./table/arrow.ts";
import { createCsvWriter } from "./table/csv.ts";
import { createHdf5Writer } from "./table/hdf5.ts";
import { createNpzWriter, createRaggedNpzWriter } from "./table/npz.ts";
import { createParquetWriter } from "./table/parquet.ts";
import { someRagged, someTable } from "./table/table.fixture.ts";
import type { TableWriter } from "./table/table.ts";
import { TsvWriter } from "./table/tsv.ts";

const run = promisify(execFile);
const folder = await mkdtemp(join(tmpdir(), "raysidue-full-"));
const isMounted = await run("mount", ["-t", "tmpfs", "-o", "size=512k", "tmpfs", folder]).then(
  () => true,
  () => false,
);
after(async () => {
  if (isMounted) await run("umount", [folder]);
  await rm(folder, { recursive: true });
});

const table = someTable(400, 512);
const ragged = someRagged(500, 64);

/** A writer and its rows, far more than fit. */
async function fill<Chunk>(writer: TableWriter<Chunk>, chunk: Chunk): Promise<void> {
  for (let i = 0; i < 20; i++) await writer.write(chunk);
  await writer.close();
}

const WRITERS: Record<string, (path: string) => Promise<void>> = {
  parquet: async (path) => fill(await createParquetWriter(path, table.columns), table),
  arrow: async (path) => fill(await createArrowWriter(path, table.columns), table),
  raggedArrow: async (path) => fill(await createRaggedArrowWriter(path, ragged), ragged),
  h5: async (path) => fill(await createHdf5Writer(path, table.columns), table),
  npz: async (path) => fill(await createNpzWriter(path, table.columns), table),
  raggedNpz: async (path) => fill(await createRaggedNpzWriter(path, ragged), ragged),
  csv: async (path) => fill(await createCsvWriter(path, table.columns), table),
  tsv: async (path) => {
    const writer = await TsvWriter.create(path, ["row", "id"]);
    const ids = table.ids.map((id, row) => [row, id.padEnd(4_000)]);
    await writer.write(ids);
    await writer.close();
  },
};

for (const [format, write] of Object.entries(WRITERS)) {
  test(`${format}: a full disk is an error, and leaves nothing`, async (t) => {
    if (!isMounted) {
      t.skip("this user may not mount a small file system");
      return;
    }
    const path = join(folder, `x.${format}`);
    await assert.rejects(write(path), (error: unknown) => {
      assert.ok(error instanceof RaysidueError, String(error));
      assert.equal(error.code, "try-again");
      assert.ok(error.message.startsWith(`cannot write ${path}: the disk is full`), error.message);
      return true;
    });
    assert.deepEqual(await readdir(folder), []);
  });
}
