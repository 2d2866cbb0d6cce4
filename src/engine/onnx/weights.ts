/**
 * A checkpoint's tensors as weights of a graph.
 *
 * Owns: finding a tensor under any of the names that libraries write, and checking its shape.
 * Invariant: a graph never holds a weight of another shape than its config says; a missing one is
 * named. Deliberately not here: what the weights are for (bert.ts, esm2.ts).
 */
import { relative } from "node:path";
import { RaysidueError } from "../../base/errors.ts";
import type { CheckpointTensor } from "../../model/checkpoint.ts";
import type { DataType, GraphBuilder, Value } from "./model-proto.ts";

const DATA_TYPE_OF: Partial<Record<CheckpointTensor["dtype"], DataType>> = {
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
};

/** Ways to write the two parameters of a layer norm: today's, and TensorFlow's. */
const NORM_SUFFIXES = [
  [".weight", ".bias"],
  [".gamma", ".beta"],
] as const;

export class Weights {
  readonly #builder: GraphBuilder;
  readonly #tensors: ReadonlyMap<string, CheckpointTensor>;
  readonly #folder: string;
  readonly #prefix: string;
  readonly #values = new Map<string, Value>();

  /** Weights are located relative to `folder`; names may carry `prefix` (`bert.`) or not. */
  constructor(
    builder: GraphBuilder,
    tensors: ReadonlyMap<string, CheckpointTensor>,
    options: { readonly folder: string; readonly prefix: string },
  ) {
    this.#builder = builder;
    this.#tensors = tensors;
    this.#folder = options.folder;
    this.#prefix = options.prefix;
  }

  #find(name: string): { name: string; tensor: CheckpointTensor } | undefined {
    for (const full of [this.#prefix + name, name]) {
      const tensor = this.#tensors.get(full);
      if (tensor !== undefined) return { name: full, tensor };
    }
    return undefined;
  }

  /** The tensor `name` of exactly `shape`. Throws RaysidueError "bad-input". */
  get(name: string, shape: readonly number[]): Value {
    const found = this.#find(name);
    if (found === undefined) {
      throw new RaysidueError("bad-input", `the checkpoint has no tensor ${this.#prefix}${name}`);
    }
    const known = this.#values.get(found.name);
    if (known !== undefined) return known;
    const { tensor } = found;
    const where = `${tensor.file}: tensor ${found.name}`;
    if (tensor.shape.join() !== shape.join()) {
      const said = `has shape [${tensor.shape}], config.json needs [${shape}]`;
      throw new RaysidueError("bad-input", `${where} ${said}`);
    }
    const dtype = DATA_TYPE_OF[tensor.dtype];
    if (dtype === undefined) {
      throw new RaysidueError(
        "bad-input",
        `${where} is of ${tensor.dtype}; F32, F16 and BF16 can be run`,
      );
    }
    const { offsetBytes, sizeBytes } = tensor;
    const location = relative(this.#folder, tensor.file);
    const value = this.#builder.weight(found.name, {
      location,
      offsetBytes,
      sizeBytes,
      dtype,
      shape,
    });
    this.#values.set(found.name, value);
    return value;
  }

  /** `x [tokens, input]` times the weight `[output, input]` transposed, plus the bias. */
  linear(x: Value, name: string, size: { readonly input: number; readonly output: number }): Value {
    const weight = this.get(`${name}.weight`, [size.output, size.input]);
    const bias = this.get(`${name}.bias`, [size.output]);
    return this.#builder.node("Gemm", [x, weight, bias], { transB: { int: 1 } });
  }

  /** Layer norm over the last dimension. */
  layerNorm(
    x: Value,
    name: string,
    options: { readonly size: number; readonly epsilon: number },
  ): Value {
    const suffixes =
      NORM_SUFFIXES.find(([weight]) => this.#find(name + weight)) ?? NORM_SUFFIXES[0];
    const [weight, bias] = suffixes.map((suffix) => this.get(name + suffix, [options.size]));
    const attributes = { axis: { int: -1 }, epsilon: { float: options.epsilon } };
    return this.#builder.node("LayerNormalization", [x, weight!, bias!], attributes);
  }
}
