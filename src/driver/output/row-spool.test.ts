import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { RowSpool } from "./row-spool.ts";

const folder = mkdtempSync(join(tmpdir(), "raysidue-spool-"));
after(() => rmSync(folder, { recursive: true }));

test("rows come back as they were, in any order, also those not yet written", () => {
  const spool = RowSpool.create(join(folder, "rows"));
  const row = (i: number) => [`pose\t${i}\n`, "\u00e4".repeat(i % 300), ""];
  for (let i = 0; i < 3000; i++) spool.append(row(i));
  assert.deepEqual(spool.read(2999), row(2999));
  for (const i of [0, 1500, 1, 2998]) assert.deepEqual(spool.read(i), row(i));
  spool.append(["last"]);
  assert.deepEqual(spool.read(3000), ["last"]);
  assert.throws(() => spool.read(3001), /no row 3001/);
  spool.close();
  spool.close();
});

test("a place that is taken or not there is told", () => {
  RowSpool.create(join(folder, "taken")).close();
  assert.throws(() => RowSpool.create(join(folder, "taken")), /cannot write/);
  assert.throws(() => RowSpool.create(join(folder, "no", "where")), /cannot write/);
});
