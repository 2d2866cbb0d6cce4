/**
 * Pulling from a hub, in one process: what is fetched, how it is checked, what faults do.
 */
import assert from "node:assert/strict";
import { lstat, mkdir, readFile, readlink, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { RaysidueError } from "../../src/base/errors.ts";
import { openCheckpoint } from "../../src/model/checkpoint.ts";
import { listModels, verifyModel } from "../../src/model/inventory.ts";
import { locateModel } from "../../src/model/locate.ts";
import { ensureModel, pullModel } from "../../src/model/pull.ts";
import {
  seededFloats,
  writeSafetensors,
  writeTorchCheckpoint,
} from "../support/checkpoint-writers.ts";
import { PullPlace, TINY_FOLDER, tinyRepo, WEIGHTS } from "./hub-fixtures.ts";
import { COMMIT, etagOf, Gate, gitSha1, HubServer } from "./hub-server.ts";

const NAME = "facebook/esm2_t6_8M_UR50D";

describe("pulling from a hub", () => {
  let server: HubServer;
  let place: PullPlace;
  let weights: Buffer;
  let weightsEtag: string;

  before(async () => {
    const tiny = await tinyRepo();
    weights = tiny.weights;
    weightsEtag = etagOf({ content: weights, isLfs: true });
    const config = tiny.files["config.json"]!;
    const { [WEIGHTS]: _weights, "pytorch_model.bin": _pickle, ...others } = tiny.files;
    const tensor = (seed: number) => ({ shape: [4], values: seededFloats(seed, 4) });
    const index = { weight_map: { a: "model-1.safetensors", b: "model-2.safetensors" } };
    const torch = writeTorchCheckpoint({ a: tensor(1), b: tensor(2) });
    const asText = (json: unknown) => ({ content: Buffer.from(JSON.stringify(json)) });
    server = new HubServer({
      [NAME]: tiny,
      "lab/sharded": {
        files: {
          ...others,
          "model.safetensors.index.json": asText(index),
          "model-1.safetensors": { content: writeSafetensors({ a: tensor(1) }), isLfs: true },
          "model-2.safetensors": { content: writeSafetensors({ b: tensor(2) }), isLfs: true },
          "adapter.safetensors": { content: Buffer.from("never wanted"), isLfs: true },
        },
      },
      "lab/torch": { files: { ...others, "pytorch_model.bin": { content: torch, isLfs: true } } },
      "lab/escaping": {
        files: {
          ...others,
          "model.safetensors.index.json": asText({ weight_map: { a: "../../x.safetensors" } }),
        },
      },
      "lab/weightless": { files: others },
      "lab/llama": {
        files: { "config.json": asText({ model_type: "llama" }), [WEIGHTS]: { content: weights } },
      },
      "lab/truncated": {
        files: {
          ...others,
          [WEIGHTS]: { content: weights.subarray(0, 400_000), isLfs: true },
        },
      },
      "lab/gated": {
        files: { "config.json": config, [WEIGHTS]: { content: weights, isLfs: true } },
        isGated: true,
      },
    });
    await server.start();
  });
  after(() => server.close());
  beforeEach(async () => {
    place = await PullPlace.make(server.endpoint);
    server.requests.length = 0;
    server.tellsBlobs = true;
  });
  afterEach(() => place.remove());

  const rejects = (promise: Promise<unknown>, code: string, pattern: RegExp) =>
    assert.rejects(promise, (thrown: unknown) => {
      assert.ok(thrown instanceof RaysidueError, String(thrown));
      assert.equal(thrown.code, code, thrown.message);
      assert.match(thrown.message, pattern);
      assert.ok(!thrown.message.includes("\n"));
      return true;
    });

  test("puts a model where huggingface_hub looks for it, and only what is needed", async () => {
    const located = await pullModel("esm2_t6_8M_UR50D", place.options);
    assert.equal(located.name, NAME);
    assert.equal(located.kind, "esm");
    assert.equal(located.dim, 64);
    assert.equal(located.maxResidues, 1022);
    assert.equal(located.alphabet, "ABCDEFGHIKLMNOPQRSTUVWXYZ");
    const repo = join(place.hub, "models--facebook--esm2_t6_8M_UR50D");
    assert.equal(await readFile(join(repo, "refs", "main"), "utf8"), COMMIT);
    const link = join(repo, "snapshots", COMMIT, WEIGHTS);
    assert.ok((await lstat(link)).isSymbolicLink());
    assert.equal(await readlink(link), `../../blobs/${weightsEtag}`);
    assert.deepEqual(await readFile(link), weights);
    const config = await readFile(join(TINY_FOLDER, "config.json"));
    assert.deepEqual(await readFile(join(repo, "blobs", gitSha1(config))), config);
    assert.equal((await place.blobs(NAME)).length, 4);
    const fetched = server.requests.map(({ path }) => path.split("/").at(-1));
    assert.ok(!fetched.some((name) => /\.bin|\.h5|README/.test(name ?? "")), String(fetched));
  });

  test("locates, opens, lists and verifies what was pulled", async () => {
    await rejects(locateModel(NAME, place.options), "unavailable", /raysidue model pull facebook/);
    const pulled = await pullModel(NAME, place.options);
    const located = await locateModel(NAME, place.options);
    assert.deepEqual(located, pulled);
    const checkpoint = await openCheckpoint(located.folder!);
    const tensor = checkpoint.tensors.get("esm.embeddings.word_embeddings.weight")!;
    assert.equal(
      tensor.file,
      join(place.hub, "models--facebook--esm2_t6_8M_UR50D", "blobs", weightsEtag),
    );
    assert.deepEqual(tensor.shape, [33, 64]);
    const listed = (await listModels(place.options)).filter(({ state }) => state === "pulled");
    assert.deepEqual(
      listed.map(({ name }) => name),
      [NAME],
    );
    const verified = await verifyModel(NAME, place.options);
    assert.ok(verified.isRight);
    assert.equal(verified.files.length, 4);
  });

  test("has the fingerprint of the same files in a local folder", async () => {
    const pulled = await pullModel(NAME, place.options);
    const local = await locateModel(TINY_FOLDER, place.options);
    assert.equal(local.fingerprint, pulled.fingerprint);
    assert.match(local.fingerprint, /^[0-9a-f]{64}$/);
  });

  test("fetches nothing twice", async () => {
    await pullModel(NAME, place.options);
    server.requests.length = 0;
    await pullModel(NAME, place.options);
    assert.deepEqual(
      server.requests.map(({ path }) => path),
      [`/api/models/${NAME}/revision/main`],
    );
  });

  test("asks for digests one by one where the revision does not tell them", async () => {
    server.tellsBlobs = false;
    await pullModel(NAME, place.options);
    assert.ok((await place.blobs(NAME)).includes(weightsEtag));
    assert.equal(server.requests.filter(({ method }) => method === "HEAD").length, 4);
  });

  test("sends the token to the hub and never to where it redirects", async () => {
    await pullModel(NAME, {
      ...place.options,
      environment: { ...place.environment, HF_TOKEN: "secret" },
    });
    const [hub, cdn] = (["hub", "cdn"] as const).map((origin) =>
      server.requests.filter((request) => request.origin === origin),
    );
    assert.ok(
      hub!.length > 0 && hub!.every(({ authorization }) => authorization === "Bearer secret"),
    );
    assert.ok(cdn!.length > 0 && cdn!.every(({ authorization }) => authorization === undefined));
  });

  test("reads the token that the hub's own login wrote", async () => {
    await mkdir(join(place.folder, "hf"));
    await writeFile(join(place.folder, "hf", "token"), "accepted\n");
    const located = await pullModel("lab/gated", place.options);
    assert.equal(located.kind, "esm");
  });

  test("goes on after cuts, refusals and overload where it stopped", async () => {
    server.order("api", { type: "status", status: 503 });
    server.order(
      WEIGHTS,
      { type: "cut", afterBytes: 200_000 },
      { type: "status", status: 429, retryAfterSeconds: 0 },
      { type: "cut", afterBytes: 100_000 },
      { type: "status", status: 500 },
    );
    await pullModel(NAME, place.options);
    const ranges = server.deliveries(WEIGHTS).map(({ range }) => range);
    assert.equal(ranges.length, 5);
    assert.equal(ranges[0], undefined);
    const starts = ranges
      .slice(1)
      .map((range) => Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0));
    assert.ok(starts[0]! > 0 && starts[0]! <= 200_000, String(starts));
    assert.equal(starts[1], starts[0]);
    assert.ok(starts[2]! > starts[1]! && starts[2]! <= 300_000, String(starts));
    assert.deepEqual(
      await place.blobs(NAME),
      (await place.blobs(NAME)).filter((name) => !name.includes(".")),
    );
  });

  test("starts again where the server ignores ranges", async () => {
    server.order(WEIGHTS, { type: "cut", afterBytes: 300_000 }, { type: "ignoreRange" });
    await pullModel(NAME, place.options);
    assert.equal(server.deliveries(WEIGHTS).length, 2);
  });

  test("gives a silent server up and asks again", async () => {
    const gate = new Gate();
    server.order(WEIGHTS, { type: "hold", afterBytes: 1000, gate });
    await pullModel(NAME, { ...place.options, stallMs: 200 });
    gate.released.resolve();
    assert.equal(server.deliveries(WEIGHTS).length, 2);
  });

  test("gives up after its attempts, says so, and keeps what arrived for the next pull", async () => {
    const failure = { type: "status", status: 503 } as const;
    server.order(WEIGHTS, { type: "cut", afterBytes: 300_000 }, failure, failure, failure);
    const pull = pullModel(NAME, { ...place.options, attemptsMax: 3 });
    await rejects(pull, "try-again", /HTTP status 503 after 3 attempts; check the network/);
    await rejects(locateModel(NAME, place.options), "unavailable", /model pull/);
    server.requests.length = 0;
    await pullModel(NAME, { ...place.options, attemptsMax: 3 });
    const [refused, resumed] = server.deliveries(WEIGHTS);
    assert.ok(
      Number(/\d+/.exec(resumed?.range ?? "")?.[0] ?? 0) > 0,
      JSON.stringify([refused, resumed]),
    );
  });

  test("a server that asks for an hour's patience is told to the user", async () => {
    server.order("api", { type: "status", status: 429, retryAfterSeconds: 3600 });
    await rejects(pullModel(NAME, place.options), "try-again", /asks to wait 3600 s/);
  });

  test("a wrong digest counts for nothing", async () => {
    server.order(WEIGHTS, { type: "flip", atByte: 1234 });
    await rejects(
      pullModel(NAME, place.options),
      "bad-input",
      /model\.safetensors: digest [0-9a-f]{64} .*expected/,
    );
    assert.ok(!(await place.blobs(NAME)).some((name) => name.startsWith(weightsEtag)));
    await rejects(locateModel(NAME, place.options), "unavailable", /model pull/);
    server.order("config.json", { type: "flip", atByte: 5 });
    const fresh = await PullPlace.make(server.endpoint);
    await rejects(
      pullModel(NAME, fresh.options),
      "bad-input",
      /config\.json: digest [0-9a-f]{40} /,
    );
    await fresh.remove();
  });

  test("finds a blob that rotted, names it, and a pull repairs it", async () => {
    const { folder } = await pullModel(NAME, place.options);
    const path = join(folder!, WEIGHTS);
    await truncate(path, 400_000);
    await rejects(locateModel(NAME, place.options), "bad-input", /digest .*; the file is damaged/);
    const verified = await verifyModel(NAME, place.options);
    assert.deepEqual(
      verified.files.filter(({ state }) => state === "wrong").map(({ name }) => name),
      [WEIGHTS],
    );
    assert.match(verified.problem ?? "", /truncated: 693600 bytes expected, the file has 400000/);
    await pullModel(NAME, place.options);
    assert.ok((await verifyModel(NAME, place.options)).isRight);
  });

  test("a wrong blob that keeps size and place is found by verify", async () => {
    const { folder } = await pullModel(NAME, place.options);
    const bytes = Buffer.from(weights);
    bytes[500_000]! ^= 1;
    await writeFile(join(folder!, WEIGHTS), bytes);
    assert.ok(!(await verifyModel(NAME, place.options)).isRight);
    await rejects(locateModel(NAME, place.options), "bad-input", /damaged/);
  });

  test("pulls shards by their index, and no other weights", async () => {
    const located = await pullModel("lab/sharded", place.options);
    const { tensors } = await openCheckpoint(located.folder!);
    assert.deepEqual([...tensors.keys()].sort(), ["a", "b"]);
    assert.notEqual(tensors.get("a")!.file, tensors.get("b")!.file);
    assert.equal(server.deliveries("adapter.safetensors").length, 0);
  });

  test("reads a torch checkpoint where there are no safetensors", async () => {
    const located = await pullModel("lab/torch", place.options);
    const { tensors } = await openCheckpoint(located.folder!);
    assert.deepEqual([...tensors.keys()], ["a", "b"]);
    assert.ok(
      (await listModels(place.options)).some(
        ({ name, isBuiltIn }) => name === "lab/torch" && !isBuiltIn,
      ),
    );
  });

  test("refuses what cannot run, before its weights are fetched", async () => {
    await rejects(
      pullModel("lab/llama", place.options),
      "bad-input",
      /"llama" is not supported; supported are/,
    );
    assert.equal(server.deliveries(WEIGHTS).length, 0);
    await rejects(
      pullModel("lab/weightless", place.options),
      "bad-input",
      /no weights; one of model\.safetensors/,
    );
    await rejects(
      pullModel("lab/escaping", place.options),
      "bad-input",
      /"\.\.\/\.\.\/x\.safetensors" is not safe/,
    );
    await rejects(
      pullModel("lab/truncated", place.options),
      "bad-input",
      /truncated: 693600 bytes/,
    );
  });

  test("says what to do about gated and missing repositories", async () => {
    await rejects(
      pullModel("lab/gated", place.options),
      "unavailable",
      /accept its terms at .*set HF_TOKEN/,
    );
    await rejects(
      pullModel("facebook/esm2_t6_8M", place.options),
      "usage",
      /near it: esm2_t6_8M_UR50D/,
    );
    const environment = { ...place.environment, HF_TOKEN: "other" };
    await rejects(pullModel("lab/none", { environment }), "usage", /check the name and HF_TOKEN/);
  });

  test("offline it touches no network", async () => {
    const offline = { ...place.options, offline: true };
    await rejects(pullModel(NAME, offline), "unavailable", /raysidue model pull .* while online/);
    await pullModel(NAME, place.options);
    server.requests.length = 0;
    assert.equal((await pullModel(NAME, offline)).name, NAME);
    const environment = { ...place.environment, HF_HUB_OFFLINE: "1" };
    assert.equal((await pullModel(NAME, { environment })).name, NAME);
    assert.equal(server.requests.length, 0);
  });

  test("a run takes what is here without asking the hub, and pulls what is not", async () => {
    const first = await ensureModel(NAME, place.options);
    server.requests.length = 0;
    assert.deepEqual(await ensureModel(NAME, place.options), first);
    assert.equal(server.requests.length, 0);
    await truncate(join(first.folder!, WEIGHTS), 400_000);
    await rejects(ensureModel(NAME, place.options), "bad-input", /damaged, pull the model again/);
    const offline = { ...place.options, offline: true };
    await rejects(ensureModel("lab/torch", offline), "unavailable", /model pull lab\/torch/);
    assert.equal(server.requests.length, 0);
  });

  test("a hub that is not there is said with its address", async () => {
    const environment = { ...place.environment, HF_ENDPOINT: "http://127.0.0.1:9" };
    const pull = pullModel(NAME, { ...place.options, environment, attemptsMax: 2 });
    await rejects(pull, "try-again", /127\.0\.0\.1:9.*after 2 attempts/);
  });

  test("uses files that another program put into the cache", async () => {
    const repo = join(place.hub, "models--facebook--esm2_t6_8M_UR50D");
    for (const name of ["blobs", "refs", `snapshots/${COMMIT}`]) {
      await mkdir(join(repo, name), { recursive: true });
    }
    await writeFile(join(repo, "refs", "main"), COMMIT);
    for (const name of ["config.json", "vocab.txt", WEIGHTS]) {
      const content = await readFile(join(TINY_FOLDER, name));
      const etag = etagOf({ content, isLfs: name === WEIGHTS });
      await writeFile(join(repo, "blobs", etag), content);
      await symlink(`../../blobs/${etag}`, join(repo, "snapshots", COMMIT, name));
    }
    assert.equal((await locateModel(NAME, place.options)).dim, 64);
    await pullModel(NAME, place.options);
    assert.equal(server.deliveries(WEIGHTS).length, 0);
  });

  test("a cancelled pull ends at once and resumes later", async () => {
    const gate = new Gate();
    server.order(WEIGHTS, { type: "hold", afterBytes: 50_000, gate });
    const controller = new AbortController();
    const pull = pullModel(NAME, {
      ...place.options,
      signal: controller.signal,
      onProgress: ({ file, doneBytes }) => {
        if (file === WEIGHTS && doneBytes > 40_000) controller.abort();
      },
    });
    await rejects(pull, "cancelled", /cancelled/);
    gate.released.resolve();
    server.requests.length = 0;
    await pullModel(NAME, place.options);
    assert.match(server.deliveries(WEIGHTS)[0]?.range ?? "", /^bytes=[1-9]/);
  });
});
