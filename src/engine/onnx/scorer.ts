/**
 * The engine of the `score` kind: docking poses to scores, all on one CPU slot.
 *
 * Owns: a micro-batch from items to rows. Invariant: a row depends on its item, the network and the
 * parameters: graphs are scored one by one, so not even the last digit depends on who stands beside.
 * A pose that cannot be scored fails alone. Deliberately not here: the steps (science/) and the
 * network (egnn.ts).
 */
import { isBadInput, messageOf, RaysidueError } from "../../base/errors.ts";
import { encodeGraph, graphColumns } from "../../kind/graph-row.ts";
import { decodePose, NAMELESS } from "../../kind/pose-item.ts";
import {
  encodeScore,
  graphOptionsOf,
  joinRow,
  parseScoreParameters,
  poseCost,
  type ScoreParameters,
  undressPose,
} from "../../kind/score.ts";
import { locateScorer, openScorer } from "../../model/scorer.ts";
import type { EngineOpening, ItemFailure, MicroBatchResult } from "../../rpc/engine-codec.ts";
import { featuresOf } from "../../science/features.ts";
import { buildGraph, centreOfMass } from "../../science/graph.ts";
import { pairingOf } from "../../science/pairing.ts";
import { type PreparedComplex, prepareComplex } from "../../science/prepare.ts";
import { domainNotes, regionsOf } from "../../science/regions.ts";
import { notesOf } from "../../science/structure-notes.ts";
import { parseOptions, type RowEngine } from "../row-engine.ts";
import { buildEgnn } from "./egnn.ts";
import { egnnFeeds, SCORE } from "./egnn-feeds.ts";
import { ONNX_OPTIONS } from "./embedder.ts";
import { OnnxSession } from "./session.ts";

/** Some five poses of 4,000 atoms: a second or two between commits. */
const TOKENS_MAX = poseCost(20_000);

/** Opens the engine for `opening`. Throws RaysidueError. */
export async function openPoseScorer(opening: EngineOpening): Promise<RowEngine> {
  if (opening.kind !== "score") {
    throw new RaysidueError("usage", `the engine score does not know kind ${opening.kind}`);
  }
  const { threads } = parseOptions(ONNX_OPTIONS, opening);
  const scorer = await locateScorer(opening.model);
  if (opening.fingerprint !== "" && opening.fingerprint !== scorer.fingerprint) {
    const said = `model ${scorer.name} here has fingerprint ${scorer.fingerprint.slice(0, 12)}`;
    const wanted = `the run wants ${opening.fingerprint.slice(0, 12)}`;
    throw new RaysidueError("unavailable", `${said}, ${wanted}; pull the same model everywhere`);
  }
  const parameters = parseScoreParameters(opening.parameters);
  const weights = await openScorer(scorer);
  const graph = buildEgnn({ ...weights, threads });
  // 14 MB: packed in each process it costs nothing, and small calls gain the most.
  const session = await OnnxSession.open(graph, weights.folder, { threads, isPrepacked: true });
  return new PoseScorer(session, parameters, `${scorer.name}, ${threads} threads`);
}

class PoseScorer implements RowEngine {
  readonly description: string;
  readonly tokensMax = TOKENS_MAX;
  readonly itemTokensMax = 0;
  readonly #session: OnnxSession;
  readonly #parameters: ScoreParameters;

  constructor(session: OnnxSession, parameters: ScoreParameters, description: string) {
    this.#session = session;
    this.#parameters = parameters;
    this.description = description;
  }

  async run(items: readonly Uint8Array[]): Promise<MicroBatchResult> {
    const startedAt = performance.now();
    const failures: ItemFailure[] = [];
    const rows: Uint8Array[] = [];
    let tokens = 0;
    for (const [index, item] of items.entries()) {
      try {
        const { row, atomCount } = await this.#score(item);
        tokens += poseCost(atomCount);
        rows.push(row);
      } catch (thrown) {
        if (!isBadInput(thrown)) throw thrown;
        failures.push({ index, reason: reasonOf(thrown), retryable: false });
        rows.push(new Uint8Array());
      }
    }
    return {
      payload: Buffer.concat(rows),
      sizes: rows.map((row) => row.length),
      failures,
      busySeconds: (performance.now() - startedAt) / 1000,
      paddedTokens: tokens,
      tokens,
    };
  }

  async #score(item: Uint8Array): Promise<{ row: Uint8Array; atomCount: number }> {
    const { pose, annotations } = undressPose(item);
    if (annotations.problem !== "") throw new RaysidueError("bad-input", annotations.problem);
    const { structure, choice } = decodePose(pose);
    const { align } = this.#parameters;
    const complex = prepareComplex(structure, choice, align);
    const { antibodyScalars, antigenScalars } = annotations;
    const regions = regionsOf(complex, annotations, align);
    const known = { regions, antibodyScalars, antigenScalars };
    const graph = buildGraph(complex, known, graphOptionsOf(this.#parameters));
    const [score] = await this.#session.run(egnnFeeds([featuresOf(graph)]), SCORE);
    if (score === undefined || !Number.isFinite(score)) {
      throw new RaysidueError("bad-input", `${complex.where}: the network's score is no number`);
    }
    const notes = notesOf(structure).map(({ code, count, first }) => `${code} ${count} (${first})`);
    const row = encodeScore({
      score,
      pairing: pairingOf(structure, choice),
      clashFraction: graph.clashFraction,
      offCentre: distanceFromOrigin(complex),
      nodeCount: graph.nodes.length,
      edgeCount: graph.interface.source.length + graph.internal.source.length,
      notes: [...domainNotes(annotations), ...notes, ...graph.notes],
    });
    const { atomCount } = structure;
    if (this.#parameters.graph === undefined) return { row, atomCount };
    return { row: joinRow(row, encodeGraph(graphColumns(graph, complex))), atomCount };
  }

  close(): Promise<void> {
    return this.#session.close();
  }
}

function distanceFromOrigin(complex: PreparedComplex): number {
  const { x, y, z } = centreOfMass(complex);
  return Math.hypot(x, y, z);
}

/** Without the place: a decoded pose has none, and whoever reads this knows the pose's. */
function reasonOf(thrown: RaysidueError): string {
  const text = messageOf(thrown);
  const place = `${NAMELESS.source}:${NAMELESS.line}: `;
  return text.startsWith(place) ? text.slice(place.length) : text;
}
