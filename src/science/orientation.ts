/**
 * The direction of an edge as the source's residue sees it.
 *
 * Owns: the residue's frame. Invariant: a unit vector, or zero within a residue; the same for any
 * rotation and translation of the complex. Source: DeepRank-Ab 1.0.2: first axis from the alpha
 * carbon to C, second towards N, third their cross product.
 */
import type { ContactGraph, Edges } from "./contacts.ts";
import type { PreparedComplex } from "./prepare.ts";

/** Added to lengths before division, as the original does. */
const EPSILON = 1e-6;
/** Numbers a frame: the alpha carbon's place and three axes. */
const FRAME = 12;

export interface Orientations {
  /** `[edges, 3] float32`, row-major. */
  readonly of: (edges: Edges) => Float32Array;
  /** Residues of nodes that lack N, CA or C; their edges have no direction. */
  readonly frameless: readonly number[];
}

/** Frames of all nodes' residues, once, and from them the directions of edges. */
export function orientationsOf(complex: PreparedComplex, graph: ContactGraph): Orientations {
  const frames = new Map<number, Float64Array | undefined>();
  const nodeResidues = Array.from(graph.nodeAtoms, (atom) => complex.atomResidues[atom]!);
  for (const r of nodeResidues) if (!frames.has(r)) frames.set(r, frameOf(complex, r));
  const frameless = [...frames].filter(([, frame]) => frame === undefined).map(([r]) => r);
  const of = (edges: Edges) => {
    const result = new Float32Array(3 * edges.source.length);
    for (let edge = 0; edge < edges.source.length; edge++) {
      const from = nodeResidues[edges.source[edge]!]!;
      const to = nodeResidues[edges.target[edge]!]!;
      const source = frames.get(from);
      const target = frames.get(to);
      if (from === to || source === undefined || target === undefined) continue;
      const d = [0, 1, 2].map((k) => source[k]! - target[k]!) as [number, number, number];
      const length = Math.hypot(...d);
      if (length === 0) continue;
      for (let axis = 0; axis < 3; axis++) {
        const at = 3 + 3 * axis;
        const dot = d[0] * source[at]! + d[1] * source[at + 1]! + d[2] * source[at + 2]!;
        result[3 * edge + axis] = dot / length;
      }
    }
    return result;
  };
  return { of, frameless };
}

function frameOf(complex: PreparedComplex, r: number): Float64Array | undefined {
  const residue = complex.residues[r]!;
  const find = (name: string) => {
    for (let atom = residue.atomStart; atom < residue.atomEnd; atom++) {
      if (complex.atomNames[atom] === name) return atom;
    }
    return -1;
  };
  const [alpha, carbon, nitrogen] = [find("CA"), find("C"), find("N")];
  if (alpha < 0 || carbon < 0 || nitrogen < 0) return undefined;
  // Single precision, as the original: far from the origin it turns frames by more than 1e-5.
  const place = (atom: number): Vector => [
    Math.fround(complex.x[atom]!),
    Math.fround(complex.y[atom]!),
    Math.fround(complex.z[atom]!),
  ];
  const [ax, ay, az] = place(alpha);
  const e1 = unit(minus(place(carbon), [ax, ay, az]));
  const v2 = minus(place(nitrogen), [ax, ay, az]);
  const along = e1[0] * v2[0] + e1[1] * v2[1] + e1[2] * v2[2];
  const e2 = unit([v2[0] - along * e1[0], v2[1] - along * e1[1], v2[2] - along * e1[2]]);
  const frame = new Float64Array(FRAME);
  frame.set([ax, ay, az], 0);
  frame.set(e1, 3);
  frame.set(e2, 6);
  frame[9] = e1[1] * e2[2] - e1[2] * e2[1];
  frame[10] = e1[2] * e2[0] - e1[0] * e2[2];
  frame[11] = e1[0] * e2[1] - e1[1] * e2[0];
  return frame;
}

type Vector = readonly [number, number, number];

function minus(a: Vector, b: Vector): Vector {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
}

function unit(v: Vector): Vector {
  const length = Math.hypot(...v) + EPSILON;
  return [v[0] / length, v[1] / length, v[2] / length];
}
