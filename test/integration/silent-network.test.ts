/**
 * A network that is cut without a word: no packet comes, and TCP would wait for hours.
 */
import assert from "node:assert/strict";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { RaysidueError } from "../../src/base/errors.ts";
import { SchedulerConnection } from "../../src/rpc/scheduler-service.ts";
import { Sandbox } from "../support/sandbox.ts";

const TOKEN = "silence";

describe("a silent network", () => {
  let sandbox: Sandbox;
  let wire: Server;
  const sockets: Socket[] = [];
  before(async () => {
    sandbox = new Sandbox();
    const { address } = await sandbox.startScheduler({ environment: { RAYSIDUE_TOKEN: TOKEN } });
    const port = Number(address.split(":").at(-1));
    wire = createServer((near) => {
      const far = connect(port, "127.0.0.1");
      near.pipe(far).pipe(near);
      for (const socket of [near, far]) socket.on("error", () => {});
      sockets.push(near, far);
    });
    await new Promise<void>((resolve) => wire.listen(0, "127.0.0.1", resolve));
  });
  after(async () => {
    for (const socket of sockets) socket.destroy();
    wire.close();
    await sandbox[Symbol.asyncDispose]();
  });

  test("breaks a client's stream as a dead scheduler would", async () => {
    const { port } = wire.address() as AddressInfo;
    const connection = new SchedulerConnection(`127.0.0.1:${port}`, TOKEN, { silenceMs: 200 });
    const stream = connection.work();
    const register = { workerId: "w", host: "h", pid: 1, protocol: 1, version: "1", endsInMs: 0 };
    stream.send({ type: "register", bulkAddress: "", ...register });
    try {
      for await (const order of stream.messages()) {
        assert.equal(order.type, "registered");
        for (const socket of sockets) socket.unpipe();
      }
      assert.fail("the stream ended without an error");
    } catch (thrown) {
      assert.ok(thrown instanceof RaysidueError, String(thrown));
      assert.equal(thrown.code, "try-again", thrown.message);
    } finally {
      connection.close();
    }
  });
});
