/** The scoring network written down plainly, row by row in double precision, to compare with. */
import {
  EDGE_WIDTH,
  type EdgeFeatures,
  type GraphFeatures,
  NODE_WIDTH,
} from "../../science/features.ts";

export type PlainTensors = Map<string, { shape: readonly number[]; values: Float32Array }>;
export type Matrix = number[][];

const silu = (v: number) => v / (1 + Math.exp(-v));
const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));
const relu = (v: number) => Math.max(v, 0);
const add = (a: number[], b: number[]) => a.map((v, i) => v + b[i]!);
const scale = (a: number[], k: number) => a.map((v) => v * k);

function rowsOf(values: Float32Array, width: number): Matrix {
  const count = values.length / width;
  return Array.from({ length: count }, (_, i) => [...values.subarray(i * width, (i + 1) * width)]);
}

export class PlainEgnn {
  readonly #tensors: PlainTensors;

  constructor(tensors: PlainTensors) {
    this.#tensors = tensors;
  }

  #get(name: string): Float32Array {
    return this.#tensors.get(name)!.values;
  }

  #linear(name: string, x: number[]): number[] {
    const weight = this.#get(`${name}.weight`);
    return [...this.#get(`${name}.bias`)].map((bias, o) =>
      x.reduce((sum, value, i) => sum + value * weight[o * x.length + i]!, bias),
    );
  }

  #norm(name: string, x: number[]): number[] {
    const mean = x.reduce((sum, v) => sum + v, 0) / x.length;
    const variance = x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.length;
    const [weight, bias] = [this.#get(`${name}.weight`), this.#get(`${name}.bias`)];
    return x.map((v, i) => ((v - mean) / Math.sqrt(variance + 1e-5)) * weight[i]! + bias[i]!);
  }

  #block(name: string, [h, x]: [Matrix, Matrix], edges: EdgeFeatures): [Matrix, Matrix] {
    if (edges.source.length === 0) return [h, x];
    const features = rowsOf(edges.features, EDGE_WIDTH);
    const updates = h.map(() => new Array<number>(180).fill(0));
    const shifts = x.map(() => [0, 0, 0]);
    edges.source.forEach((source, e) => {
      const target = edges.target[e]!;
      const r = x[source]!.map((v, k) => v - x[target]![k]!);
      const d = Math.hypot(...r);
      const width = this.#get(`${name}.rbf.widths`)[0]! + 1e-8;
      const radial = [...this.#get(`${name}.rbf.centers`)].map((c) =>
        Math.exp(-(((d - c) / width) ** 2)),
      );
      let m = [...h[source]!, ...h[target]!, ...radial, ...features[e]!];
      for (const layer of ["phi_e.0", "phi_e.3", "phi_e.6"]) {
        m = this.#linear(`${name}.${layer}`, m).map(silu);
      }
      const gate = this.#linear(`${name}.gate.2`, this.#linear(`${name}.gate.0`, m).map(relu));
      m = scale(m, sigmoid(gate[0]!));
      updates[target] = add(updates[target]!, this.#linear(`${name}.phi_h.0`, m).map(silu));
      const factor = this.#linear(`${name}.phi_x.2`, this.#linear(`${name}.phi_x.0`, m).map(silu));
      shifts[target] = add(shifts[target]!, scale(r, 0.08 * factor[0]!));
    });
    const alpha = sigmoid(this.#get(`${name}.alpha`)[0]!);
    const next = h.map((row, i) => this.#norm(`${name}.ln`, add(row, scale(updates[i]!, alpha))));
    return [next, x.map((row, i) => add(row, shifts[i]!))];
  }

  #pool(name: string, [h, x]: [Matrix, Matrix], graph: GraphFeatures): number[] {
    const group = (ids: Int32Array) => {
      const members: number[][] = [];
      ids.forEach((id, i) => {
        members[id] ??= [];
        members[id].push(i);
      });
      return members;
    };
    const highest = (rows: Matrix) =>
      rows[0]!.map((_, k) => Math.max(...rows.map((row) => row[k]!)));
    const first = group(graph.clusters0).map((members) => {
      const middle = [0, 1, 2].map(
        (k) => members.reduce((sum, i) => sum + x[i]![k]!, 0) / members.length,
      );
      return [...highest(members.map((i) => h[i]!)), Math.hypot(...middle)];
    });
    const second = group(graph.clusters1).map((members) => highest(members.map((i) => first[i]!)));
    const gates = second.map(
      (z) => this.#linear(`${name}.gate_nn.3`, this.#linear(`${name}.gate_nn.0`, z).map(relu))[0]!,
    );
    const total = gates.reduce((sum, gate) => sum + Math.exp(gate), 0);
    return second
      .map((z, i) => {
        const values = this.#linear(`${name}.nn.3`, this.#linear(`${name}.nn.0`, z).map(relu));
        return scale(values, Math.exp(gates[i]!) / total);
      })
      .reduce(add);
  }

  score(graph: GraphFeatures): number {
    const start = rowsOf(graph.nodes, NODE_WIDTH).map((row) => {
      const hidden = this.#linear("s_in.1", this.#norm("s_in.0", row)).map(silu);
      return this.#linear("s_in.4", hidden).map(silu);
    });
    const branch = (name: string, edges: EdgeFeatures): [Matrix, Matrix] => {
      let state: [Matrix, Matrix] = [start, rowsOf(graph.positions, 3)];
      let skip = start;
      for (let k = 0; k < 7; k++) {
        state = this.#block(`${name}.${k}`, state, edges);
        if (k !== 1 && k !== 3 && k !== 5) continue;
        const [h, x] = state;
        skip = h.map((row, i) => add(row, scale(skip[i]!, 0.2)));
        state = [skip, x];
      }
      return state;
    };
    const external = this.#pool("pool_ext", branch("blocks_ext", graph.interface), graph);
    const internal = this.#pool("pool_int", branch("blocks_int", graph.internal), graph);
    const g = [...internal, ...external];
    const sum = add(this.#linear("fc1", g).map(relu), scale(this.#linear("fc_res", g), 0.3));
    return this.#linear("fc3", this.#linear("fc2", sum).map(relu))[0]!;
  }
}
