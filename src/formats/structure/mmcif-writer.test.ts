import assert from "node:assert/strict";
import { test } from "node:test";
import { RaysidueError } from "../../base/errors.ts";
import { readMmcif } from "./mmcif.ts";
import { mmcifText } from "./mmcif-writer.ts";
import type { Structure } from "./structure.ts";

async function read(text: string): Promise<Structure> {
  async function* bytes() {
    yield Buffer.from(text, "latin1");
  }
  for await (const record of readMmcif(bytes(), "pose.cif")) {
    if (record.kind === "fault") throw record.fault.error;
    return record.structure;
  }
  throw new RaysidueError("internal", "no structure");
}

test("a structure comes back from its text, whatever its chains and atoms are called", async () => {
  const chainIds = ["H", "", "loop_", "a b", "?", "it's", 'say "so"', `both ' " `, "#1", "_x", ";"];
  const structure: Structure = {
    name: "pose",
    source: "pose.cif",
    line: 15,
    modelNumber: 1,
    atomCount: chainIds.length,
    x: Float64Array.from(chainIds.keys(), (i) => i / 3 - 2),
    y: Float64Array.from(chainIds.keys(), (i) => (i === 0 ? 1e-7 : 99_999.999)),
    z: Float64Array.from(chainIds.keys(), () => -0.001),
    atomNames: chainIds.map((_, i) => (i === 1 ? "O5'" : "CA")),
    elements: chainIds.map((_, i) => (i === 1 ? "O" : "C")),
    altLocs: Uint8Array.from(chainIds.keys(), (i) => (i === 2 ? 65 : 0)),
    residues: chainIds.map((_, i) => ({
      name: i === 3 ? "HOH" : "GLY",
      number: i === 4 ? -12 : 123_456,
      insertion: i === 5 ? "A" : "",
      isHetero: i === 3,
      atomStart: i,
      atomEnd: i + 1,
    })),
    chains: chainIds.map((id, i) => ({ id, residueStart: i, residueEnd: i + 1 })),
  };
  const back = await read(mmcifText(structure));
  assert.deepEqual({ ...back, line: structure.line }, structure);
});
