/**
 * Pulling in several processes: two at once, one killed with -9, a full disk.
 *
 * Proves: two pulls fetch a model once and agree; a killed pull leaves nothing that counts, blocks
 * nobody, and the next goes on where it stopped; a full disk is said and survived.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Duplex } from "node:stream";
import { after, afterEach, before, beforeEach, describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { RaysidueError } from "../../src/base/errors.ts";
import { locateModel } from "../../src/model/locate.ts";
import { pullModel } from "../../src/model/pull.ts";
import { PullPlace, tinyRepo, until, WEIGHTS } from "./hub-fixtures.ts";
import { etagOf, Gate, HubServer } from "./hub-server.ts";

const NAME = "facebook/esm2_t6_8M_UR50D";
const CHILD = fileURLToPath(new URL("./pull-child.js", import.meta.url));
const HELD_BYTES = 400_000;

interface Line {
  readonly phase?: string;
  readonly fingerprint?: string;
  readonly code?: string;
  readonly message?: string;
}

class PullChild {
  readonly process: ChildProcess;
  readonly lines: Line[] = [];

  constructor(place: PullPlace, environment: NodeJS.ProcessEnv = {}) {
    const stdio: ["ignore", "pipe", "inherit"] = ["ignore", "pipe", "inherit"];
    this.process = spawn(process.execPath, [CHILD, NAME], {
      env: { ...place.environment, ...environment },
      stdio,
    });
    createInterface({ input: this.process.stdout! }).on("line", (line) => {
      this.lines.push(JSON.parse(line) as Line);
    });
  }

  get isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  async exit(): Promise<Line> {
    if (this.isRunning) await once(this.process, "close");
    return this.lines.at(-1) ?? {};
  }

  async kill(): Promise<void> {
    if (!this.isRunning) return;
    this.process.kill("SIGKILL");
    await once(this.process, "close");
  }
}

describe("pulling in several processes", () => {
  let server: HubServer;
  let place: PullPlace;
  let etag: string;
  const children: PullChild[] = [];

  before(async () => {
    const tiny = await tinyRepo();
    etag = etagOf({ content: tiny.weights, isLfs: true });
    server = new HubServer({ [NAME]: tiny });
    await server.start();
  });
  after(() => server.close());
  beforeEach(async () => {
    place = await PullPlace.make(server.endpoint);
    server.requests.length = 0;
  });
  afterEach(async () => {
    for (const child of children.splice(0)) await child.kill();
    await place.remove();
  });

  const start = (environment?: NodeJS.ProcessEnv): PullChild => {
    const child = new PullChild(place, environment);
    children.push(child);
    return child;
  };
  /** Lets the weights' next delivery stop half-way; returns the gate that holds it. */
  const holdWeights = (): Gate => {
    const gate = new Gate();
    server.order(WEIGHTS, { type: "hold", afterBytes: HELD_BYTES, gate });
    return gate;
  };
  const partialBytes = async (): Promise<number> => {
    const folder = join(place.hub, "models--facebook--esm2_t6_8M_UR50D", "blobs");
    const name = (await place.blobs(NAME)).find((blob) => blob.startsWith(`${etag}.`));
    return name === undefined ? 0 : (await stat(join(folder, name))).size;
  };

  test("of two at once the second waits, and both get the model fetched once", async () => {
    const gate = holdWeights();
    const first = start();
    await gate.held.promise;
    const second = start();
    await until(() => second.lines.some(({ phase }) => phase === "wait"));
    gate.released.resolve();
    const [a, b] = [await first.exit(), await second.exit()];
    assert.ok(a.fingerprint !== undefined, JSON.stringify(a));
    assert.equal(a.fingerprint, b.fingerprint);
    assert.equal(server.deliveries(WEIGHTS).length, 1);
    assert.equal((await place.blobs(NAME)).length, 4);
    const locks = await readdir(join(place.hub, ".locks", "models--facebook--esm2_t6_8M_UR50D"));
    assert.deepEqual(locks, []);
  });

  test("killed with -9 half-way, it leaves nothing that counts, and the next resumes", async () => {
    const gate = holdWeights();
    const first = start();
    await gate.held.promise;
    await until(async () => (await partialBytes()) === HELD_BYTES);
    await first.kill();
    gate.released.resolve();
    await assert.rejects(locateModel(NAME, place.options), /run `raysidue model pull/);
    server.requests.length = 0;
    const line = await start().exit();
    assert.ok(line.fingerprint !== undefined, JSON.stringify(line));
    const ranges = server.deliveries(WEIGHTS).map(({ range }) => range);
    assert.deepEqual(ranges, [`bytes=${HELD_BYTES}-`]);
    assert.equal((await place.blobs(NAME)).length, 4);
  });

  test("what a killed pull left behind may even be wrong", async () => {
    const gate = holdWeights();
    const first = start();
    await gate.held.promise;
    await until(async () => (await partialBytes()) === HELD_BYTES);
    await first.kill();
    gate.released.resolve();
    const blobs = join(place.hub, "models--facebook--esm2_t6_8M_UR50D", "blobs");
    const name = (await place.blobs(NAME)).find((blob) => blob.startsWith(`${etag}.`))!;
    await writeFile(join(blobs, name), Buffer.alloc(HELD_BYTES, 7));
    const line = await start().exit();
    assert.ok(line.fingerprint !== undefined, JSON.stringify(line));
    assert.equal((await place.blobs(NAME)).length, 4);
  });

  test("a waiting process takes over from a killed one", async () => {
    const gate = holdWeights();
    const first = start();
    await gate.held.promise;
    await until(async () => (await partialBytes()) === HELD_BYTES);
    const second = start();
    const third = start();
    for (const child of [second, third]) {
      await until(() => child.lines.some(({ phase }) => phase === "wait"));
    }
    await first.kill();
    gate.released.resolve();
    const [a, b] = [await second.exit(), await third.exit()];
    assert.ok(a.fingerprint !== undefined, JSON.stringify(a));
    assert.equal(a.fingerprint, b.fingerprint);
    assert.equal(server.deliveries(WEIGHTS).length, 2);
  });

  test("a full disk is said, and the same pull goes on when there is room", async (context) => {
    const unmount = await mountSmall(context, place.folder);
    if (unmount === undefined) return;
    try {
      const filler = join(place.folder, "filler");
      await writeFile(filler, Buffer.alloc(600_000));
      const isTryAgain = (pattern: RegExp) => (thrown: unknown) => {
        assert.ok(thrown instanceof RaysidueError);
        assert.equal(thrown.code, "try-again", thrown.message);
        assert.match(thrown.message, pattern);
        return true;
      };
      const pull = () => pullModel(NAME, place.options);
      await assert.rejects(
        pull(),
        isTryAgain(/has 0\.4 MB free, 0\.7 MB are needed; free some space/),
      );
      await rm(filler);
      // Enough room at first, taken by somebody else in the middle.
      const gate = holdWeights();
      const crowded = pull();
      await gate.held.promise;
      await writeFile(filler, Buffer.alloc(400_000)).catch(() => {});
      gate.released.resolve();
      await assert.rejects(crowded, isTryAgain(/the disk is full/));
      await rm(filler);
      server.requests.length = 0;
      assert.equal((await pull()).name, NAME);
      assert.match(server.deliveries(WEIGHTS)[0]?.range ?? "", /^bytes=[1-9]/);
    } finally {
      unmount();
    }
  });

  test("goes through the proxy of the environment, unless NO_PROXY names the hub", async () => {
    const asked: string[] = [];
    const proxy = createServer().on("connect", ({ url = "" }: IncomingMessage, near: Duplex) => {
      asked.push(url);
      const [host, port] = url.split(":");
      const far = connect({ host: host ?? "", port: Number(port) }, () => {
        near.write("HTTP/1.1 200 Connection established\r\n\r\n");
        far.pipe(near).pipe(far);
      });
      for (const end of [near, far]) end.on("error", () => {});
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    try {
      const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      const direct = await start({ HTTP_PROXY: url, NO_PROXY: "127.0.0.1" }).exit();
      assert.ok(direct.fingerprint, JSON.stringify(direct));
      assert.equal(asked.length, 0);
      await place.remove();
      place = await PullPlace.make(server.endpoint);
      const through = await start({ HTTP_PROXY: url }).exit();
      assert.equal(through.fingerprint, direct.fingerprint);
      assert.ok(asked.includes(new URL(server.endpoint).host), String(asked));
    } finally {
      proxy.close();
    }
  });
});

/** Mounts a file system of 1 MB at `folder`; undefined, said aloud, where that is not allowed. */
async function mountSmall(context: TestContext, folder: string): Promise<(() => void) | undefined> {
  await mkdir(folder, { recursive: true });
  try {
    const options = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder];
    execFileSync("mount", options, { stdio: "ignore" });
  } catch {
    context.skip("a small tmpfs cannot be mounted here (needs root)");
    return undefined;
  }
  return () => execFileSync("umount", [folder]);
}
