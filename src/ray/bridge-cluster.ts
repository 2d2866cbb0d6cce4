/**
 * A Ray cluster reached through the bridge: the documented first choice.
 *
 * Owns: the connection and what is said when it fails. The bridge may be killed and started again;
 * calls fail meanwhile ("try-again"), daemons do not notice.
 */
import { messageOf, RaysidueError } from "../base/errors.ts";
import type { DaemonSpec, KnownDaemon, ShippedFile } from "../rpc/bridge-messages.ts";
import { BridgeConnection, type BridgeOptions } from "../rpc/bridge-service.ts";
import { type FilePiece, PLACE_SECONDS, type RayCluster, type StartOptions } from "./cluster.ts";

export interface BridgeClusterOptions extends BridgeOptions {
  /** A bridge that has not answered by then is none. */
  readonly answerMs?: number;
  /** What is to end with the connection. */
  readonly onClosed?: () => Promise<void>;
}

export class BridgeCluster implements RayCluster {
  readonly description: string;
  readonly #bridge: BridgeConnection;
  readonly #onClosed: (() => Promise<void>) | undefined;

  private constructor(
    bridge: BridgeConnection,
    description: string,
    onClosed: (() => Promise<void>) | undefined,
  ) {
    this.#bridge = bridge;
    this.description = description;
    this.#onClosed = onClosed;
  }

  /** Throws RaysidueError "unavailable" where no bridge answers, "unauthenticated". */
  static async connect(options: BridgeClusterOptions): Promise<BridgeCluster> {
    const bridge = new BridgeConnection(options);
    try {
      const { rayVersion } = await bridge.hello(options.answerMs);
      const description = `Ray ${rayVersion} through the bridge at ${options.address}`;
      return new BridgeCluster(bridge, description, options.onClosed);
    } catch (thrown) {
      bridge.close();
      if (thrown instanceof RaysidueError && thrown.code === "unauthenticated") throw thrown;
      const withTls = options.tls === undefined ? "without TLS" : "with TLS";
      const text =
        `no bridge answers at ${options.address} ${withTls} (${messageOf(thrown)}); ` +
        "start one with `raysidue cluster bridge` on the head, or check address and TLS";
      throw new RaysidueError("unavailable", text, { cause: thrown });
    }
  }

  nodes() {
    return this.#bridge.listNodes();
  }

  startDaemon(spec: DaemonSpec, options: StartOptions = {}) {
    const { replace = false, timeoutSeconds = PLACE_SECONDS } = options;
    return this.#bridge.startDaemon(spec, { replace, timeoutSeconds });
  }

  findDaemons(fleet?: string) {
    return this.#bridge.findDaemons(fleet);
  }

  followDaemons(known: readonly KnownDaemon[], seconds: number) {
    return this.#bridge.followDaemons(known, seconds);
  }

  stopDaemon(name: string, graceSeconds: number) {
    return this.#bridge.stopDaemon(name, graceSeconds);
  }

  requestResources(bundles: readonly Readonly<Record<string, number>>[]) {
    return this.#bridge.requestResources(bundles);
  }

  holdsFile(digest: string) {
    return this.#bridge.holdsFile(digest);
  }

  addPiece(piece: FilePiece) {
    return this.#bridge.addPiece(piece);
  }

  missingFiles(name: string, files: readonly ShippedFile[]) {
    return this.#bridge.missingFiles(name, files);
  }

  installFile(name: string, file: ShippedFile) {
    return this.#bridge.installFile(name, file);
  }

  readFile(name: string, path: string, offset: number) {
    return this.#bridge.readFile(name, path, offset);
  }

  async close(): Promise<void> {
    this.#bridge.close();
    await this.#onClosed?.();
  }
}
