/**
 * One ONNX Runtime session: a model's bytes and the checkpoint files behind them.
 *
 * Owns: the options under which ONNX Runtime runs here. Invariant: all weights are read from the
 * checkpoint's own files. `run` blocks the event loop, so sessions live in engine processes only.
 * ONNX Runtime refuses absolute paths and `..` in a model, so locations are relative to the
 * deepest folder that holds all files, however a sharded checkpoint is spread.
 */
import { dirname, sep } from "node:path";
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { RaysidueError } from "../../base/errors.ts";
import type { DeviceType } from "../device-type.ts";

export interface SessionOptions {
  /** Absent: the CPU. */
  readonly device?: DeviceType;
  /** On the CPU. */
  readonly threads: number;
  /**
   * Keep a private copy of the weights in the order the GEMM reads them: 2-9 % faster (the most in
   * small calls). Without it weights stay in the file mapping that all engine processes share.
   */
  readonly isPrepacked: boolean;
}

/** What a GPU must have to be opened. */
const NEEDS = {
  cuda: "NVIDIA's driver, CUDA, cuDNN, and ONNX Runtime's library for them",
  webgpu: "libvulkan.so.1 and the GPU's Vulkan driver",
} as const;

/** One line that says why no session was opened. */
function refusal(thrown: unknown, folder: string, device: DeviceType): RaysidueError {
  const text = (thrown instanceof Error ? thrown.message : String(thrown))
    .trim()
    .replace(/\s*\n\s*/g, "; ");
  if (device === "cpu") {
    const said = `ONNX Runtime cannot open the model from ${folder}: ${text}`;
    return new RaysidueError("bad-input", said, { cause: thrown });
  }
  // Of what failed, not where in ONNX Runtime's sources.
  const reason = text.replace(/^.* was false\. /s, "").replace(/;$/, "");
  const said = `--device ${device}: ${reason}; it needs ${NEEDS[device]} (docs/gpus.md)`;
  return new RaysidueError("unavailable", said, { cause: thrown });
}

/** The deepest folder above all `files` (absolute paths without links). */
export function commonFolder(files: Iterable<string>): string {
  let common: string[] | undefined;
  for (const file of files) {
    const parts = dirname(file).split(sep);
    const shared = common ?? parts;
    const end = shared.findIndex((part, i) => part !== parts[i]);
    common = end < 0 ? shared : shared.slice(0, end);
  }
  return common?.join(sep) || sep;
}

type Numbers = Float32Array | Int32Array | BigInt64Array;
export type Feeds = Readonly<
  Record<string, { readonly data: Numbers; readonly dims: readonly number[] }>
>;

/**
 * ONNX Runtime, loaded when first needed: 30 MB of native code. Since 1.30 its Linux builds upload
 * telemetry and leave files in the temporary folder, unless this variable is set before it starts.
 */
export async function loadRuntime() {
  process.env.ORT_DISABLE_TELEMETRY = "1";
  const { default: ort } = await import("onnxruntime-node");
  return ort;
}

export class OnnxSession {
  readonly #session: InferenceSession;
  readonly #Tensor: typeof Tensor;

  private constructor(session: InferenceSession, TensorClass: typeof Tensor) {
    this.#session = session;
    this.#Tensor = TensorClass;
  }

  /**
   * Opens `model`, whose weights lie below `folder`. Throws RaysidueError "bad-input", or
   * "unavailable" where the device may be the reason.
   */
  static async open(
    model: Uint8Array,
    folder: string,
    options: SessionOptions,
  ): Promise<OnnxSession> {
    const ort = await loadRuntime();
    const { device = "cpu" } = options;
    try {
      const session = await ort.InferenceSession.create(model, {
        executionProviders: [device],
        executionMode: "sequential",
        graphOptimizationLevel: "all",
        interOpNumThreads: 1,
        intraOpNumThreads: options.threads,
        // Shapes differ from call to call; patterns would be kept for each.
        enableMemPattern: false,
        logSeverityLevel: 4,
        extra: {
          session: {
            model_external_initializers_file_folder_path: folder,
            disable_prepacking: options.isPrepacked ? "0" : "1",
          },
        },
      });
      return new OnnxSession(session, ort.Tensor);
    } catch (thrown) {
      throw refusal(thrown, folder, device);
    }
  }

  /** Runs one call and returns `output` as float32. */
  async run(feeds: Feeds, output: string): Promise<Float32Array> {
    const tensors: Record<string, Tensor> = {};
    for (const name of this.#session.inputNames) {
      const { data, dims } = feeds[name]!;
      const type =
        data instanceof Float32Array ? "float32" : data instanceof Int32Array ? "int32" : "int64";
      tensors[name] = new this.#Tensor(type, data as never, dims);
    }
    const results = await this.#session.run(tensors, [output]);
    const tensor = results[output]!;
    return tensor.data as Float32Array;
  }

  async close(): Promise<void> {
    await this.#session.release();
  }
}
