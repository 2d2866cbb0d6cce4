/**
 * The network that scores docking poses, as an ONNX graph.
 *
 * Owns: the layers and how graphs are batched. Invariant: a graph's score does not depend on the
 * graphs beside it. Source: DeepRank-Ab 1.0.2, an equivariant graph network after Satorras et al.
 * 2021, arXiv:2102.09844, with the averaged (EMA) weights of its training. Differs from the
 * original in one place: the first message layer is applied to nodes and to edge features apart,
 * and added up on edges, which saves 40 % of the work and moves scores by less than 1e-6.
 */
import type { CheckpointTensor } from "../../model/checkpoint.ts";
import { EDGE_WIDTH, NODE_WIDTH } from "../../science/features.ts";
import { EGNN_INPUTS, SCORE } from "./egnn-feeds.ts";
import { GraphBuilder, type Value } from "./model-proto.ts";
import { Weights } from "./weights.ts";

/** Where the averaged weights are; `model.` beside them are others. */
const PREFIX = "ema_state.ema_model.";
const HIDDEN = 180;
const BLOCKS = 7;
/** Blocks after which a part of an earlier state is added. */
const SKIP_AFTER = new Set([1, 3, 5]);
const SKIP_WEIGHT = 0.2;
const RADIAL = 18;
const POOLED = HIDDEN + 1;
const ATTENDED = 96;
const NORM_EPSILON = 1e-5;
const POSITION_STEP = 0.08;
const RESIDUAL_WEIGHT = 0.3;
/** Below every float32 that a layer gives: what a maximum begins with. */
const LOWEST = -3.4e38;
/** ONNX's number of the type. */
const INT64 = 7;

export interface EgnnGraphOptions {
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  /** Ancestor of all checkpoint files, to which the session resolves their locations. */
  readonly folder: string;
  /** Of the session: one allows the faster way to add up edges. Scores do not depend on it. */
  readonly threads: number;
}

/** The model's bytes; inputs and output as egnn-feeds.ts says. Throws RaysidueError "bad-input". */
export function buildEgnn(options: EgnnGraphOptions): Uint8Array {
  const builder = new GraphBuilder();
  const weights = new Weights(builder, options.tensors, {
    folder: options.folder,
    prefix: PREFIX,
  });
  const g = new EgnnGraph(builder, weights, options.threads === 1);
  const nodes = builder.input(EGNN_INPUTS.nodes, "float32", ["nodes", NODE_WIDTH]);
  const positions = builder.input(EGNN_INPUTS.positions, "float32", ["nodes", 3]);
  const edges = (["interface", "internal"] as const).map((kind) => {
    const names = EGNN_INPUTS[kind];
    return {
      source: builder.input(names.source, "int32", [`${kind}_edges`]),
      target: builder.input(names.target, "int32", [`${kind}_edges`]),
      features: builder.input(names.features, "float32", [`${kind}_edges`, EDGE_WIDTH]),
    };
  });
  const pools: Pools = {
    clusters0: builder.input(EGNN_INPUTS.clusters0, "int32", ["nodes"]),
    clusters1: builder.input(EGNN_INPUTS.clusters1, "int32", ["clusters0"]),
    graphs: builder.input(EGNN_INPUTS.graphs, "int32", ["clusters1"]),
  };
  const start = g.encode(nodes);
  const [external, internal] = (["ext", "int"] as const).map((name, i) => {
    const state = g.branch(`blocks_${name}`, { h: start, x: positions }, edges[i]!);
    return g.pool(`pool_${name}`, state, pools);
  });
  // Internal first: the order in which the head was trained.
  const score = g.head(builder.node("Concat", [internal!, external!], { axis: { int: 1 } }));
  builder.output(SCORE, score, "float32", ["batch", 1]);
  return builder.build("egnn");
}

interface Edges {
  readonly source: Value;
  readonly target: Value;
  readonly features: Value;
}

interface Pools {
  readonly clusters0: Value;
  readonly clusters1: Value;
  readonly graphs: Value;
}

/** Node states `[nodes, 180]` and positions `[nodes, 3]`. */
interface State {
  readonly h: Value;
  readonly x: Value;
}

class EgnnGraph {
  readonly #builder: GraphBuilder;
  readonly #weights: Weights;
  readonly #isSerial: boolean;

  constructor(builder: GraphBuilder, weights: Weights, isSerial: boolean) {
    this.#builder = builder;
    this.#weights = weights;
    this.#isSerial = isSerial;
  }

  encode(nodes: Value): Value {
    const norm = { size: NODE_WIDTH, epsilon: NORM_EPSILON };
    const scaled = this.#weights.layerNorm(nodes, "s_in.0", norm);
    const first = this.#silu(this.#linear(scaled, "s_in.1", NODE_WIDTH, 90));
    return this.#silu(this.#linear(first, "s_in.4", 90, HIDDEN));
  }

  branch(name: string, start: State, edges: Edges): State {
    let state = start;
    let skip = start.h;
    for (let k = 0; k < BLOCKS; k++) {
      state = this.#block(`${name}.${k}`, state, edges);
      if (!SKIP_AFTER.has(k)) continue;
      const part = this.#op("Mul", skip, this.#number(SKIP_WEIGHT));
      state = { h: this.#op("Add", state.h, part), x: state.x };
      skip = state.h;
    }
    return state;
  }

  #block(name: string, { h, x }: State, edges: Edges): State {
    const { source, target } = edges;
    const difference = this.#op("Sub", this.#gather(x, source), this.#gather(x, target));
    const message = this.#message(name, { h, difference, edges });
    const update = this.#silu(this.#linear(message, `${name}.phi_h.0`, 128, HIDDEN));
    const gathered = this.#scatter("add", update, target, h);
    const alpha = this.#op("Sigmoid", this.#weights.get(`${name}.alpha`, []));
    const moved = this.#op("Add", h, this.#op("Mul", gathered, alpha));
    const norm = { size: HIDDEN, epsilon: NORM_EPSILON };
    const nextH = this.#weights.layerNorm(moved, `${name}.ln`, norm);
    const narrow = this.#silu(this.#linear(message, `${name}.phi_x.0`, 128, 32));
    const factor = this.#linear(narrow, `${name}.phi_x.2`, 32, 1);
    const scaled = this.#op("Mul", factor, this.#number(POSITION_STEP));
    const shift = this.#scatter("add", this.#op("Mul", difference, scaled), target, x);
    // Without any edge a block does nothing at all, not even normalise.
    const count = this.#op("Size", source);
    const hasEdges = this.#op("Greater", count, this.#builder.integers([0], []));
    return {
      h: this.#op("Where", hasEdges, nextH, h),
      x: this.#op("Add", x, shift),
    };
  }

  #message(
    name: string,
    { h, difference, edges }: { h: Value; difference: Value; edges: Edges },
  ): Value {
    const square = this.#op("Mul", difference, difference);
    const distance = this.#op("Sqrt", this.#sumColumns(square));
    const centres = this.#weights.get(`${name}.rbf.centers`, [RADIAL]);
    const width = this.#op("Add", this.#weights.get(`${name}.rbf.widths`, []), this.#number(1e-8));
    const place = this.#op("Div", this.#op("Sub", distance, centres), width);
    const radial = this.#op("Exp", this.#op("Neg", this.#op("Mul", place, place)));
    const own = this.#builder.node("Concat", [radial, edges.features], { axis: { int: 1 } });

    const layer = `${name}.phi_e.0`;
    const columns = 2 * HIDDEN + RADIAL + EDGE_WIDTH;
    const weight = this.#weights.get(`${layer}.weight`, [320, columns]);
    const bias = this.#weights.get(`${layer}.bias`, [320]);
    const part = (from: number, to: number) => {
      const [starts, ends, axes] = [[from], [to], [1]].map((n) => this.#builder.integers(n));
      return this.#op("Slice", weight, starts!, ends!, axes!);
    };
    const transposed = { transB: { int: 1 } };
    const project = (input: Value, from: number, to: number) =>
      this.#builder.node("Gemm", [input, part(from, to)], transposed);
    const fromSource = this.#gather(project(h, 0, HIDDEN), edges.source);
    const fromTarget = this.#gather(project(h, HIDDEN, 2 * HIDDEN), edges.target);
    const fromEdge = this.#builder.node("Gemm", [own, part(2 * HIDDEN, columns), bias], transposed);
    const sum = this.#op("Add", this.#op("Add", fromSource, fromTarget), fromEdge);
    const second = this.#silu(this.#linear(this.#silu(sum), `${name}.phi_e.3`, 320, 160));
    const message = this.#silu(this.#linear(second, `${name}.phi_e.6`, 160, 128));
    const gate = this.#op("Relu", this.#linear(message, `${name}.gate.0`, 128, 64));
    const open = this.#op("Sigmoid", this.#linear(gate, `${name}.gate.2`, 64, 1));
    return this.#op("Mul", message, open);
  }

  /** Nodes to clusters, clusters to clusters of clusters, those to one vector a graph. */
  pool(name: string, { h, x }: State, { clusters0, clusters1, graphs }: Pools): Value {
    const count0 = this.#op("Shape", clusters1);
    const count1 = this.#op("Shape", graphs);
    const last = this.#builder.node("ReduceMax", [graphs], { keepdims: { int: 0 } });
    const one = this.#builder.integers([1]);
    const batch = this.#op("Add", this.#builder.node("Cast", [last], { to: { int: INT64 } }), one);

    const highest = this.#scatter("max", h, clusters0, this.#filled(LOWEST, count0, HIDDEN));
    const sum = this.#scatter("add", x, clusters0, this.#filled(0, count0, 3));
    const ones = this.#builder.node("Expand", [
      this.#builder.floats([1], [1, 1]),
      this.#builder.node("Concat", [this.#op("Shape", clusters0), one], { axis: { int: 0 } }),
    ]);
    const members = this.#scatter("add", ones, clusters0, this.#filled(0, count0, 1));
    const middle = this.#op("Div", sum, members);
    const norm = this.#op("Sqrt", this.#sumColumns(this.#op("Mul", middle, middle)));
    const z0 = this.#builder.node("Concat", [highest, norm], { axis: { int: 1 } });
    const z = this.#scatter("max", z0, clusters1, this.#filled(LOWEST, count1, POOLED));

    const hidden = this.#op("Relu", this.#linear(z, `${name}.gate_nn.0`, POOLED, ATTENDED));
    const gate = this.#linear(hidden, `${name}.gate_nn.3`, ATTENDED, 1);
    const peak = this.#scatter("max", gate, graphs, this.#filled(LOWEST, batch, 1));
    const raised = this.#op("Exp", this.#op("Sub", gate, this.#gather(peak, graphs)));
    const total = this.#scatter("add", raised, graphs, this.#filled(0, batch, 1));
    const safe = this.#op("Add", this.#gather(total, graphs), this.#number(1e-16));
    const share = this.#op("Div", raised, safe);
    const wide = this.#op("Relu", this.#linear(z, `${name}.nn.0`, POOLED, 192));
    const values = this.#linear(wide, `${name}.nn.3`, 192, ATTENDED);
    const weighted = this.#op("Mul", values, share);
    return this.#scatter("add", weighted, graphs, this.#filled(0, batch, ATTENDED));
  }

  head(g: Value): Value {
    const main = this.#op("Relu", this.#linear(g, "fc1", 2 * ATTENDED, 128));
    const aside = this.#linear(g, "fc_res", 2 * ATTENDED, 128);
    const sum = this.#op("Add", main, this.#op("Mul", aside, this.#number(RESIDUAL_WEIGHT)));
    const narrow = this.#op("Relu", this.#linear(sum, "fc2", 128, 64));
    return this.#linear(narrow, "fc3", 64, 1);
  }

  #op(operator: string, ...inputs: Value[]): Value {
    return this.#builder.node(operator, inputs);
  }

  #number(value: number): Value {
    return this.#builder.floats([value], []);
  }

  #linear(x: Value, name: string, input: number, output: number): Value {
    return this.#weights.linear(x, name, { input, output });
  }

  #silu(x: Value): Value {
    return this.#op("Mul", x, this.#op("Sigmoid", x));
  }

  #gather(x: Value, index: Value): Value {
    return this.#op("Gather", x, index);
  }

  #sumColumns(x: Value): Value {
    return this.#op("ReduceSum", x, this.#builder.integers([1]));
  }

  #filled(value: number, rows: Value, columns: number): Value {
    const width = this.#builder.integers([columns]);
    const shape = this.#builder.node("Concat", [rows, width], { axis: { int: 0 } });
    return this.#op("Expand", this.#builder.floats([value], [1, 1]), shape);
  }

  /** Rows of `updates` reduced into the rows of `like` that `index` names; "add" begins at zero. */
  #scatter(reduction: "add" | "max", updates: Value, index: Value, like: Value): Value {
    const column = this.#op("Unsqueeze", index, this.#builder.integers([1]));
    const base = reduction === "add" ? this.#op("Mul", like, this.#number(0)) : like;
    const how = { reduction: { string: reduction } };
    if (this.#isSerial) {
      // Whole rows, in a tenth of the time; ONNX Runtime's threads lose updates of one row here.
      const places = this.#builder.node("Cast", [column], { to: { int: INT64 } });
      return this.#builder.node("ScatterND", [base, places, updates], how);
    }
    const indices = this.#op("Expand", column, this.#op("Shape", updates));
    return this.#builder.node("ScatterElements", [base, indices, updates], {
      axis: { int: 0 },
      ...how,
    });
  }
}
