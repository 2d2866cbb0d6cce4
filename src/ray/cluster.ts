/**
 * A Ray cluster as raysidue needs it: nodes, and daemons on them. Nothing of sequences.
 *
 * Two ways lead there: the bridge (bridge-cluster.ts), our server beside the head, and Ray Client
 * (client-cluster.ts), the head's own. Invariant: whatever is started here is found again by its
 * fleet's name from any later connection, by either way.
 */
import { RaysidueError } from "../base/errors.ts";
import type {
  DaemonSpec,
  DaemonStatus,
  KnownDaemon,
  RayNode,
  RunFilePiece,
  ShippedFile,
} from "../rpc/bridge-messages.ts";

export interface StartOptions {
  /** End an agent of the same fleet, role and node first. */
  readonly replace?: boolean;
  /** How long Ray may take to place the agent; then the node counts as full. */
  readonly timeoutSeconds?: number;
}

export interface FilePiece {
  /** SHA-256 of the whole file, hex. */
  readonly digest: string;
  readonly index: number;
  readonly isLast: boolean;
  /** At most PIECE_BYTES. */
  readonly data: Buffer;
}

/** Methods throw RaysidueError: "unavailable", "try-again", "unauthenticated". */
export interface RayCluster {
  /** For people: which way, where, which Ray. */
  readonly description: string;
  nodes(): Promise<readonly RayNode[]>;
  /** Starts a daemon on a node or finds it; resolves as soon as its agent answers. */
  startDaemon(spec: DaemonSpec, options?: StartOptions): Promise<DaemonStatus>;
  /** The daemons of a fleet; without a name, of all. */
  findDaemons(fleet?: string): Promise<readonly DaemonStatus[]>;
  /** Statuses other than the known ones, as soon as there is one; none after `seconds`. */
  followDaemons(known: readonly KnownDaemon[], seconds: number): Promise<readonly DaemonStatus[]>;
  /** Ends a daemon and its agent, kindly for `graceSeconds`. */
  stopDaemon(name: string, graceSeconds: number): Promise<DaemonStatus>;
  /** Replaces what is asked of Ray's autoscaler; none: nothing is. */
  requestResources(bundles: readonly Readonly<Record<string, number>>[]): Promise<void>;
  /** Whether a file is held in the cluster, ready to be installed on nodes. */
  holdsFile(digest: string): Promise<boolean>;
  /** Adds a file's next piece, in order. */
  addPiece(piece: FilePiece): Promise<void>;
  /** Digests of those files that the node of a daemon has not. */
  missingFiles(name: string, files: readonly ShippedFile[]): Promise<readonly string[]>;
  /** Brings a held file to the node of a daemon. */
  installFile(name: string, file: ShippedFile): Promise<void>;
  /** A piece of a file that a run left on the node of a daemon. */
  readFile(name: string, path: string, offset: number): Promise<RunFilePiece>;
  /** Ends the connection; daemons go on. */
  close(): Promise<void>;
}

/** The node that lives as long as the cluster does. Throws RaysidueError "try-again" without one. */
export async function headOf(cluster: RayCluster): Promise<RayNode> {
  const head = (await cluster.nodes()).find(({ isHead, isAlive }) => isHead && isAlive);
  if (head === undefined) throw new RaysidueError("try-again", "the Ray cluster has no head");
  return head;
}

/** Large enough to be worth a message, small enough for any gRPC limit on the way. */
export const PIECE_BYTES = 8 * 1024 * 1024;

/** A node that is not full takes an agent within a second or two, a busy one within ten. */
export const PLACE_SECONDS = 30;
