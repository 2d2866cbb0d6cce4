import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { residueAreas } from "./buried.ts";
import { featuresOf, NODE_WIDTH } from "./features.ts";
import { buildGraph, type PoseEdges } from "./graph.ts";
import { near } from "./near.fixture.ts";
import { loadTruth, TRUTH_NAMES, type Truth } from "./truth.fixture.ts";

/** Largest differences that the original's results leave room for. */
const RELATIVE = 1e-6;
const BURIED = 1e-3;
const AREA = 1e-4;
const DIRECTION = 1e-6;

function checkEdges(edges: PoseEdges, truth: Truth["interface_edges"], kind: string): void {
  assert.deepEqual(
    Array.from(edges.source, (source, i) => [source, edges.target[i]]),
    truth.map(([source, target]) => [source, target]),
  );
  truth.forEach(([source, target, distance, electro, waals, covalent, area, ...way], i) => {
    const what = `${kind} edge ${source}-${target}`;
    near(edges.distance[i]!, distance, RELATIVE * distance, `${what} distance`);
    near(edges.electrostatic[i]!, electro, RELATIVE * Math.abs(electro), `${what} electrostatic`);
    near(edges.vanDerWaals[i]!, waals, RELATIVE * Math.abs(waals), `${what} van der Waals`);
    assert.equal(edges.covalent[i], covalent, `${what} covalent`);
    near(edges.contactArea[i]!, area, AREA, `${what} area`);
    for (let k = 0; k < 3; k++) {
      near(edges.orientation[3 * i + k]!, way[k]!, DIRECTION, `${what} direction`);
    }
  });
}

for (const name of TRUTH_NAMES) {
  describe(`${name} as the original has it`, async () => {
    const { truth, complex, annotations } = await loadTruth(name);

    test("residues and sequences", () => {
      assert.deepEqual(complex.sequences, {
        heavy: truth.sequences.H,
        light: truth.sequences.L,
        antibody: truth.sequences.antibody_esm,
        antigen: truth.sequences.antigen_esm,
      });
      for (const [chain, rows] of [truth.residues.A, truth.residues.B].entries()) {
        const residues = complex.residues.filter((residue) => residue.chain === chain);
        assert.equal(residues.length, rows.length);
        rows.forEach(([number, resName, letter, id, sourceNumber, code, flag, atoms], i) => {
          const residue = residues[i]!;
          const hetero = residue.isHetero ? `H_${residue.name}` : "";
          assert.deepEqual(
            [residue.number, residue.name, residue.letter, hetero],
            [number, resName, letter, flag],
          );
          assert.equal(residue.atomEnd - residue.atomStart, atoms);
          // Of merged antigens the original knows the file in between only.
          if (chain === 1 && truth.source.antigen_chains_input.length > 1) return;
          const { source } = residue;
          assert.deepEqual(
            [source.chain, source.number, source.insertion],
            [id, sourceNumber, code],
          );
        });
      }
    });

    test("nodes, edges, clusters and clashes", () => {
      const graph = buildGraph(complex, annotations);
      assert.deepEqual(
        graph.nodes.map((node) => {
          const residue = complex.residues[node.residue]!;
          const place = ["AB"[residue.chain], residue.number, residue.name, node.atom + 1];
          const columns = [node.hydropathy, node.polarity, node.atomType, node.region];
          const rest = [...columns, node.residueType, node.embedding];
          return [...place, complex.atomNames[node.atom], node.x, node.y, node.z, ...rest];
        }),
        truth.nodes.map((row) => [...row.slice(0, 8), ...row.slice(9)]),
      );
      graph.nodes.forEach((node, i) => {
        near(node.buriedArea, truth.nodes[i]![8], BURIED, `buried area of node ${i}`);
      });
      checkEdges(graph.interface, truth.interface_edges, "interface");
      checkEdges(graph.internal, truth.internal_edges, "internal");
      assert.deepEqual([...graph.clusters0.ids], truth.clusters.depth_0);
      assert.deepEqual([...graph.clusters1.ids], truth.clusters.depth_1);
      near(graph.clashFraction, truth.vdw_clash.outlier_fraction, 1e-12, "clashes");
      const features = featuresOf(graph);
      assert.equal(features.nodes.length, graph.nodes.length * NODE_WIDTH);
      // Four one-hot columns and the scalars; what each means, the network's truth shows.
      const ones = features.nodes.subarray(0, NODE_WIDTH).filter((value) => value === 1).length;
      assert.equal(ones, 4);
    });

    test("areas of residues, alone and in the complex, with either radii", () => {
      const rows = truth.contact_residue_sasa;
      const residues = rows.map(([chain, number]) =>
        complex.residues.findIndex((r) => "AB"[r.chain] === chain && r.number === number),
      );
      const original = residueAreas(complex, residues, "original");
      const consistent = residueAreas(complex, residues, "consistent");
      rows.forEach(([, , , inComplex, alone, buried, fullAlone, fullBuried], i) => {
        near(original.inComplex[i]!, inComplex, BURIED, "in complex");
        near(original.alone[i]!, alone, BURIED, "alone");
        near(original.buried[i]!, buried, BURIED, "buried");
        near(consistent.alone[i]!, fullAlone, BURIED, "alone, consistent radii");
        near(consistent.buried[i]!, fullBuried, BURIED, "buried, consistent radii");
      });
    });
  });
}
