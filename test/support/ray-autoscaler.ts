/**
 * Ray's own autoscaler for a test's cluster, with the provider by which Ray tests it: a node is one
 * more raylet on the same machine, a process like any other.
 *
 * Deliberately not here: the life of those processes (ray-nodes.ts ends what lives in its network
 * namespace). The layout of the file is that of Ray's cluster configurations.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Autoscaler {
  /** Nodes beside the head. */
  readonly nodesMax: number;
  /** CPUs of each of them. */
  readonly cpus: number;
  /** A node without tasks and actors, that nobody asks for, is ended after this long. */
  readonly idleSeconds: number;
}

/** The provider knows the head by this identity. */
const HEAD_ID = `${"f".repeat(51)}00000`;
const HEAD_TYPE = "ray.head.default";

/** What `ray start --head` is given. */
export function autoscalerStart(
  { nodesMax, cpus, idleSeconds }: Autoscaler,
  head: { readonly folder: string; readonly address: string; readonly cpus: number },
): { readonly arguments: string[]; readonly environment: Record<string, string> } {
  const kind = (resources: object, workersMax: number) => ({
    ...{ resources, node_config: {}, min_workers: 0, max_workers: workersMax },
  });
  const file = join(head.folder, "autoscaler.yaml");
  const configuration = {
    cluster_name: "test",
    max_workers: nodesMax,
    upscaling_speed: 100,
    idle_timeout_minutes: idleSeconds / 60,
    provider: {
      // By name, since the defaults of "fake_multinode" are not in Ray's wheel.
      type: "external",
      module: "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
      gcs_address: `${head.address}:6379`,
      head_node_id: HEAD_ID,
      launch_multiple: true,
      use_node_id_as_ip: true,
      disable_node_updaters: true,
      disable_launch_config_check: true,
    },
    available_node_types: {
      [HEAD_TYPE]: kind({ CPU: head.cpus }, 0),
      worker: kind({ CPU: cpus, object_store_memory: 100_000_000 }, nodesMax),
    },
    head_node_type: HEAD_TYPE,
    auth: {},
    docker: {},
    file_mounts: {},
    cluster_synced_files: [],
    initialization_commands: [],
    setup_commands: [],
    head_setup_commands: [],
    worker_setup_commands: [],
    head_start_ray_commands: [],
    worker_start_ray_commands: [],
  };
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(configuration));
  return {
    arguments: [`--autoscaling-config=${file}`],
    environment: {
      RAY_FAKE_CLUSTER: "1",
      AUTOSCALER_UPDATE_INTERVAL_S: "1",
      RAY_enable_autoscaler_v2: "1",
      RAY_CLOUD_INSTANCE_ID: HEAD_ID,
      RAY_OVERRIDE_NODE_ID_FOR_TESTING: HEAD_ID,
    },
  };
}
