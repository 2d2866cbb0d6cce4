/**
 * The cache shared with Python's huggingface_hub.
 *
 * Proves: what raysidue pulled, huggingface_hub finds and does not fetch again, and the other way
 * round; and that the local hub speaks the protocol well enough for the hub's own client. Skips
 * aloud where that client's Python environment cannot be made.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { locateModel } from "../../src/model/locate.ts";
import { pullModel } from "../../src/model/pull.ts";
import { type PreparedEngine, prepareEngine } from "../support/python-engines.ts";
import { PullPlace, tinyRepo, WEIGHTS } from "./hub-fixtures.ts";
import { HubServer } from "./hub-server.ts";

const NAME = "facebook/esm2_t6_8M_UR50D";
const DOWNLOAD = `
from huggingface_hub import snapshot_download
print(snapshot_download("${NAME}", allow_patterns=["*.safetensors", "config.json", "vocab.txt"]))
`;

describe("the cache shared with huggingface_hub", () => {
  let server: HubServer;
  let client: PreparedEngine;

  before(async () => {
    server = new HubServer({ [NAME]: await tinyRepo() });
    await server.start();
    client = await prepareEngine("test", "support", "huggingface-hub");
  });
  after(() => server.close());

  const runPython = async (place: PullPlace, python: string): Promise<string> => {
    const env = { ...place.environment, HF_HUB_DISABLE_TELEMETRY: "1", HF_HUB_DISABLE_XET: "1" };
    return (await promisify(execFile)(python, ["-c", DOWNLOAD], { env })).stdout.trim();
  };
  const inPlace = async (
    context: TestContext,
    body: (place: PullPlace, download: () => Promise<string>) => Promise<void>,
  ) => {
    if (client.missing !== undefined) {
      return context.skip(`no huggingface_hub: ${client.missing}`);
    }
    const { python } = client;
    const place = await PullPlace.make(server.endpoint);
    server.requests.length = 0;
    await body(place, () => runPython(place, python)).finally(() => place.remove());
  };

  test("Python finds what raysidue pulled", (context) =>
    inPlace(context, async (place, download) => {
      const located = await pullModel(NAME, place.options);
      assert.equal(await download(), located.folder);
      assert.equal(server.deliveries(WEIGHTS).length, 1);
    }));

  test("raysidue finds what Python fetched", (context) =>
    inPlace(context, async (place, download) => {
      const folder = await download();
      assert.equal((await locateModel(NAME, place.options)).folder, folder);
      await pullModel(NAME, place.options);
      assert.equal(server.deliveries(WEIGHTS).length, 1);
    }));
});
