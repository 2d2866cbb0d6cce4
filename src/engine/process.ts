/**
 * An engine process: serves engine.proto on a Unix socket until its standard input closes.
 *
 *     RAYSIDUE_TOKEN=... node process.js --socket PATH
 *
 * Owns: the life of one engine. It starts without an engine; `Open` loads one, and only then its
 * libraries. Invariant: it does not outlive whoever holds its standard input, and never prints to
 * standard output. Deliberately not here: what engines compute.
 */
import { rmdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { messageOf, RaysidueError } from "../base/errors.ts";
import { createServer, listen } from "../rpc/channel.ts";
import type { EngineOpened, EngineOpening } from "../rpc/engine-codec.ts";
import { addEngineService } from "../rpc/engine-service.ts";
import type { OpenEngine, RowEngine } from "./row-engine.ts";

/** Engines are loaded when they are asked for: the emulated one needs no ONNX Runtime. */
const ENGINES: Readonly<Record<string, () => Promise<OpenEngine>>> = {
  onnx: async () => (await import("./onnx/embedder.ts")).openEmbedder,
  score: async () => (await import("./onnx/scorer.ts")).openPoseScorer,
  emulate: async () => (await import("./emulate.ts")).openEmulator,
};

let engine: RowEngine | undefined;

async function open(opening: EngineOpening): Promise<EngineOpened> {
  const load = Object.hasOwn(ENGINES, opening.engine) ? ENGINES[opening.engine] : undefined;
  if (load === undefined) {
    const known = Object.keys(ENGINES).join(", ");
    throw new RaysidueError(
      "usage",
      `no engine ${JSON.stringify(opening.engine)}; there are ${known}`,
    );
  }
  await engine?.close();
  engine = undefined;
  engine = await (await load())(opening);
  const { description, tokensMax, itemTokensMax } = engine;
  return { description, tokensMax, itemTokensMax };
}

/** Whoever started us may have been killed, so nobody else removes the socket and its folder. */
function end(socket: string): never {
  rmSync(socket, { force: true });
  try {
    rmdirSync(dirname(socket));
  } catch {
    // Not empty, or gone already: it is not ours alone.
  }
  process.exit(0);
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { socket: { type: "string" } } });
  const token = process.env.RAYSIDUE_TOKEN ?? "";
  if (values.socket === undefined || token === "") {
    throw new RaysidueError("usage", "an engine needs --socket PATH and RAYSIDUE_TOKEN");
  }
  // The daemon decides when an engine ends; a terminal's Ctrl-C reaches the whole process group.
  process.on("SIGINT", () => {});
  process.stdin.on("close", () => end(values.socket!));
  process.stdin.on("error", () => end(values.socket!));
  process.stdin.resume();

  const server = createServer(token);
  addEngineService(server, {
    open,
    run: async (items) => {
      if (engine === undefined) throw new RaysidueError("usage", "run before open");
      return engine.run(items);
    },
  });
  await listen(server, `unix:${values.socket}`);
}

main().catch((thrown: unknown) => {
  process.stderr.write(`engine: ${messageOf(thrown)}\n`);
  process.exit(1);
});
