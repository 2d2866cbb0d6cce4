/**
 * What the engine processes alone reach, against the matrix product rate of the same minutes.
 *
 *     node dist/scripts/bench/engine.js FASTA [--processes 2] [--threads 1] [--sequences 200]
 *
 * Feeds real engine processes as the worker daemon does, two micro-batches at a time, with distinct
 * chains of FASTA sorted by length, and measures the product in between (rounds alternate, medians
 * count, because other work on a machine disturbs both). The fraction counts the linear layers only:
 * 2 x weights x tokens; attention and everything else is overhead. Prints one JSON line.
 */
import { parseArgs } from "node:util";
import { type EngineHandle, startEngine } from "../../src/engine/host/engine-host.ts";
import { weightsPerToken } from "../../src/engine/onnx/transformer.ts";
import { canonicalJson, embedModelOf, resolveEmbed } from "../../src/kind/embed.ts";
import { locateModel } from "../../src/model/locate.ts";
import { GemmBench, median } from "./gemm.ts";
import { distinctOf, readSequences } from "./sequences.ts";

/** About two seconds each: short enough that a disturbance spoils one of them only. */
const ROUNDS = 9;

/** Runs each engine's share of `items`, cut into micro-batches, two under way. */
async function feed(engines: readonly EngineHandle[], items: readonly Uint8Array[]) {
  const batches: Uint8Array[][] = [];
  let tokens = Infinity;
  for (const item of items) {
    if (tokens + item.length + 2 > engines[0]!.tokensMax / 2) {
      batches.push([]);
      tokens = 0;
    }
    tokens += item.length + 2;
    batches.at(-1)!.push(item);
  }
  const startedAt = performance.now();
  const serve = async (engine: EngineHandle) => {
    for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
      await engine.run(batch);
    }
  };
  await Promise.all(engines.flatMap((engine) => [serve(engine), serve(engine)]));
  return (performance.now() - startedAt) / 1000;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      model: { type: "string", default: "antiberty" },
      processes: { type: "string", default: "2" },
      threads: { type: "string", default: "1" },
      sequences: { type: "string", default: "200" },
    },
  });
  const model = await locateModel(values.model);
  if (model.kind === "emulate") throw new Error("an emulated engine has no weights to multiply");
  const threads = Number(values.threads);
  const processes = Number(values.processes);
  const limits = { letters: model.alphabet, residuesMax: model.maxResidues ?? 1022 };
  const all = distinctOf(await readSequences(positionals[0]!), limits);
  const step = Math.max(1, Math.floor(all.length / Number(values.sequences)));
  const chosen = all.filter((_, i) => i % step === 0).slice(0, Number(values.sequences));
  const items = chosen.sort((a, b) => b.length - a.length).map((text) => Buffer.from(text));
  const tokens = items.reduce((sum, item) => sum + item.length + 2, 0);

  const { parameters } = resolveEmbed({}, embedModelOf(model));
  const opening = { kind: "embed", engine: "onnx", model: values.model, fingerprint: "" };
  const spec = { ...opening, parameters: canonicalJson(parameters) };
  const options = JSON.stringify({ threads });
  const engines = await Promise.all(
    Array.from({ length: processes }, () => startEngine({ ...spec, options })),
  );
  const gemm = await GemmBench.open(processes * threads);
  const flop = 2 * weightsPerToken(model.config, parameters.layer);
  const rates: number[] = [];
  const share = Math.ceil(items.length / ROUNDS);
  for (let round = 0; round < ROUNDS; round++) {
    // Every round has long and short ones.
    const part = items.filter((_, i) => i % ROUNDS === round).slice(0, share);
    const count = part.reduce((sum, item) => sum + item.length + 2, 0);
    rates.push(count / (await feed(engines, part)));
    await gemm.round();
  }
  const machine = gemm.rates();
  const tokensPerSecond = median(rates);
  const gflops = (tokensPerSecond * flop) / 1e9;
  const said = { model: model.name, processes, threads, sequences: items.length, tokens };
  const fraction = gflops / machine.gflops;
  console.log(JSON.stringify({ ...said, tokensPerSecond, gflops, fraction, machine }));
  await gemm.close();
  await Promise.all(engines.map((engine) => engine.close()));
}

await main();
