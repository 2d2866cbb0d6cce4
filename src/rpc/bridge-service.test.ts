/** A bridge behind something that limits messages: said, with what to do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { BridgeConnection } from "./bridge-service.ts";
import { BridgeService } from "./gen/raysidue/v1/bridge.ts";

test("an upload limit on the way is told from a bridge that is busy", async () => {
  const server = new Server({ "grpc.max_receive_message_length": 1024 * 1024 });
  server.addService(BridgeService, {
    addPiece: (_call: unknown, reply: (error: null, value: object) => void) => reply(null, {}),
  } as never);
  const port = await new Promise<number>((resolve, reject) => {
    const credentials = ServerCredentials.createInsecure();
    server.bindAsync("127.0.0.1:0", credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const bridge = new BridgeConnection({ address: `127.0.0.1:${port}`, token: "t" });
  const piece = { digest: "d", index: 0, isLast: true };
  try {
    await bridge.addPiece({ ...piece, data: Buffer.alloc(1000) });
    await assert.rejects(bridge.addPiece({ ...piece, data: Buffer.alloc(8 << 20) }), {
      code: "unavailable",
      message: /^bridge at 127\.0\.0\.1:\d+: .* limits messages .*--package/,
    });
  } finally {
    bridge.close();
    server.forceShutdown();
  }
});
