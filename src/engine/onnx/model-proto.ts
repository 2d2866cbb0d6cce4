/**
 * Writing ONNX models: the part of onnx.proto that our graphs need.
 *
 * Owns: the wire form of ModelProto and a builder that names every value. Invariant: weights are
 * never inside the model; they are references to byte ranges of checkpoint files. Deliberately not
 * here: what the nodes compute (bert.ts, esm2.ts) and where the files are (session.ts).
 * Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (field numbers).
 */
import assert from "node:assert/strict";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** TensorProto.DataType, as far as checkpoints and our inputs need it. */
export const DATA_TYPES = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  float16: 10,
  bfloat16: 16,
} as const;
export type DataType = keyof typeof DATA_TYPES;

/** AttributeProto.AttributeType. */
const ATTRIBUTE_TYPES = { float: 1, int: 2, string: 3, ints: 7 } as const;
/** IR version 10 goes with opset 21; ONNX Runtime 1.30 reads up to 13. */
const IR_VERSION = 10;
/** First opset with Gelu is 20; 21 is the one that every kernel used here was checked against. */
const OPSET_VERSION = 21;

/** A float is written as one wherever the schema says float: `{ float: 1 }`, never `1`. */
export type Attribute =
  | { readonly float: number }
  | { readonly int: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] };

/** A value of the graph, by name. */
export type Value = string & { readonly brand: "Value" };

/** Bytes of a file that are a tensor, row-major and little-endian. */
export interface ExternalTensor {
  /** Path relative to the folder that the session is told; forward slashes. */
  readonly location: string;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  readonly dtype: DataType;
  readonly shape: readonly number[];
}

type Write = (writer: BinaryWriter) => void;

function message(writer: BinaryWriter, field: number, write: Write): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write(writer);
  writer.join();
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, WireType.LengthDelimited).string(value);
}

function integer(writer: BinaryWriter, field: number, value: number): void {
  writer.tag(field, WireType.Varint).int64(value);
}

function integers(writer: BinaryWriter, field: number, values: readonly number[]): void {
  message(writer, field, (inner) => {
    for (const value of values) inner.int64(value);
  });
}

function writeAttribute(writer: BinaryWriter, name: string, attribute: Attribute): void {
  text(writer, 1, name);
  if ("float" in attribute) {
    writer.tag(2, WireType.Bit32).float(attribute.float);
    integer(writer, 20, ATTRIBUTE_TYPES.float);
  } else if ("int" in attribute) {
    integer(writer, 3, attribute.int);
    integer(writer, 20, ATTRIBUTE_TYPES.int);
  } else if ("string" in attribute) {
    text(writer, 4, attribute.string);
    integer(writer, 20, ATTRIBUTE_TYPES.string);
  } else {
    integers(writer, 8, attribute.ints);
    integer(writer, 20, ATTRIBUTE_TYPES.ints);
  }
}

function writeExternal(writer: BinaryWriter, name: string, tensor: ExternalTensor): void {
  integers(writer, 1, tensor.shape);
  integer(writer, 2, DATA_TYPES[tensor.dtype]);
  text(writer, 8, name);
  const entries = {
    location: tensor.location,
    offset: String(tensor.offsetBytes),
    length: String(tensor.sizeBytes),
  };
  for (const [key, value] of Object.entries(entries)) {
    message(writer, 13, (entry) => {
      text(entry, 1, key);
      text(entry, 2, value);
    });
  }
  integer(writer, 14, 1);
}

function writeValueInfo(
  writer: BinaryWriter,
  name: string,
  dtype: DataType,
  shape: readonly (number | string)[],
): void {
  text(writer, 1, name);
  message(writer, 2, (type) =>
    message(type, 1, (tensor) => {
      integer(tensor, 1, DATA_TYPES[dtype]);
      message(tensor, 2, (dims) => {
        for (const dim of shape) {
          message(dims, 1, (field) =>
            typeof dim === "number" ? integer(field, 1, dim) : text(field, 2, dim),
          );
        }
      });
    }),
  );
}

/** Collects a graph in order of computation and writes it as a model. */
export class GraphBuilder {
  readonly #nodes: Write[] = [];
  readonly #initializers: Write[] = [];
  readonly #inputs: Write[] = [];
  readonly #outputs: Write[] = [];
  readonly #names = new Set<string>();
  #valueCount = 0;

  #claim(name: string): Value {
    assert(!this.#names.has(name), `value ${name} is defined twice`);
    this.#names.add(name);
    return name as Value;
  }

  #fresh(hint: string): Value {
    this.#valueCount += 1;
    return this.#claim(`${hint}_${this.#valueCount}`);
  }

  /** A model input. A dimension that is a word is free; the same word means the same size. */
  input(name: string, dtype: DataType, shape: readonly (number | string)[]): Value {
    this.#inputs.push((writer) => writeValueInfo(writer, name, dtype, shape));
    return this.#claim(name);
  }

  /** Makes `value` a model output of the name `name`. */
  output(name: string, value: Value, dtype: DataType, shape: readonly (number | string)[]): void {
    const named = this.node("Identity", [value], {}, { output: name });
    this.#outputs.push((writer) => writeValueInfo(writer, named, dtype, shape));
  }

  /** A weight that stays in its file. Numbers of half precision are widened when it is loaded. */
  weight(name: string, tensor: ExternalTensor): Value {
    const value = this.#claim(name);
    this.#initializers.push((writer) => writeExternal(writer, name, tensor));
    if (tensor.dtype === "float32") return value;
    return this.node("Cast", [value], { to: { int: DATA_TYPES.float32 } });
  }

  /** Small constants inside the model: float32, of shape `[values.length]` or a scalar `[]`. */
  floats(values: ArrayLike<number>, shape: readonly number[] = [values.length]): Value {
    const bytes = new Uint8Array(new Float32Array(Array.from(values)).buffer);
    return this.#constant("float32", shape, bytes);
  }

  /** Small integer constants inside the model: int64. */
  integers(values: readonly number[], shape: readonly number[] = [values.length]): Value {
    const bytes = new Uint8Array(new BigInt64Array(values.map(BigInt)).buffer);
    return this.#constant("int64", shape, bytes);
  }

  #constant(dtype: DataType, shape: readonly number[], bytes: Uint8Array): Value {
    const value = this.#fresh("constant");
    this.#initializers.push((writer) => {
      integers(writer, 1, shape);
      integer(writer, 2, DATA_TYPES[dtype]);
      text(writer, 8, value);
      writer.tag(9, WireType.LengthDelimited).bytes(bytes);
    });
    return value;
  }

  /** One operator with one output. `domain` is empty for the operators of the ONNX standard. */
  node(
    operator: string,
    inputs: readonly (Value | "")[],
    attributes: Readonly<Record<string, Attribute>> = {},
    options: { readonly domain?: string; readonly output?: string } = {},
  ): Value {
    const output =
      options.output === undefined ? this.#fresh(operator) : this.#claim(options.output);
    for (const input of inputs) assert(input === "" || this.#names.has(input), `no value ${input}`);
    this.#nodes.push((writer) => {
      for (const input of inputs) text(writer, 1, input);
      text(writer, 2, output);
      text(writer, 3, `node_${output}`);
      text(writer, 4, operator);
      for (const [name, attribute] of Object.entries(attributes)) {
        message(writer, 5, (inner) => writeAttribute(inner, name, attribute));
      }
      if (options.domain !== undefined) text(writer, 7, options.domain);
    });
    return output;
  }

  /** The whole model, as ONNX Runtime reads it. */
  build(graphName: string): Uint8Array {
    const writer = new BinaryWriter();
    integer(writer, 1, IR_VERSION);
    text(writer, 2, "raysidue");
    message(writer, 7, (graph) => {
      for (const node of this.#nodes) message(graph, 1, node);
      text(graph, 2, graphName);
      for (const initializer of this.#initializers) message(graph, 5, initializer);
      for (const input of this.#inputs) message(graph, 11, input);
      for (const output of this.#outputs) message(graph, 12, output);
    });
    for (const [domain, version] of [
      ["", OPSET_VERSION],
      ["com.microsoft", 1],
    ] as const) {
      message(writer, 8, (opset) => {
        if (domain !== "") text(opset, 1, domain);
        integer(opset, 2, version);
      });
    }
    return writer.finish();
  }
}
