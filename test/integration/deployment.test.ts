/**
 * What stands around raysidue on a cluster is well-formed: manifests, units, batch scripts.
 *
 * Pods are checked against Kubernetes' own schema and KubeRay's resources against its API's types,
 * unknown fields refused (test/support/kuberay.ts); units by systemd, scripts by bash. No cluster
 * runs here; SLURM's scripts do, in slurm.test.ts and slurm-*.test.ts.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Job } from "kubernetes-models/batch/v1/Job";
import { PodTemplateSpec } from "kubernetes-models/v1/PodTemplateSpec";
import { parse } from "yaml";
import { z } from "zod";
import {
  checkKubernetes,
  RAY_CLUSTER,
  type RAY_CLUSTER_SPEC,
  RAY_JOB,
} from "../support/kuberay.ts";
import { REPOSITORY, Sandbox } from "../support/sandbox.ts";

const cluster = (...names: string[]) => join(REPOSITORY, "cluster", ...names);
const PROGRAM = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));
const manifest = (name: string): unknown => parse(readFileSync(cluster("kuberay", name), "utf8"));

const MOUNTS = {
  volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })).optional(),
};
/** What the checks below read of a pod; `checkKubernetes` looks at all of it. */
const POD = z.object({
  spec: z.object({
    initContainers: z.array(z.looseObject({ name: z.string(), ...MOUNTS })).optional(),
    containers: z.array(
      z.looseObject({
        ...{ name: z.string(), image: z.string(), command: z.array(z.string()).optional() },
        ...{ args: z.array(z.string()).optional(), ...MOUNTS },
      }),
    ),
    volumes: z.array(z.looseObject({ name: z.string() })).optional(),
  }),
});

function checkPod(template: unknown): z.infer<typeof POD> {
  new PodTemplateSpec(template as ConstructorParameters<typeof PodTemplateSpec>[0]).validate();
  const pod = POD.parse(template);
  const volumes = new Set(pod.spec.volumes?.map(({ name }) => name));
  const { containers, initContainers = [] } = pod.spec;
  for (const { name, volumeMounts = [] } of [...initContainers, ...containers]) {
    for (const mount of volumeMounts) {
      assert.ok(volumes.has(mount.name), `${name} mounts ${mount.name}, which the pod lacks`);
    }
  }
  return pod;
}

/** Of a cluster's head and of its groups of workers. */
const templatesOf = ({ headGroupSpec, workerGroupSpecs = [] }: z.infer<typeof RAY_CLUSTER_SPEC>) =>
  [headGroupSpec, ...workerGroupSpecs].map(({ template }) => template);

describe("Kubernetes", () => {
  test("the cluster is a RayCluster with the bridge beside its head", () => {
    const { spec } = RAY_CLUSTER.parse(manifest("cluster.yaml"));
    const head = checkPod(spec.headGroupSpec.template);
    const [ray, bridge] = head.spec.containers;
    assert.deepEqual([ray!.name, bridge!.name], ["ray-head", "bridge"]);
    // A driver of Ray must have the cluster's Ray and Python.
    assert.equal(bridge!.image, ray!.image);
    assert.match(ray!.image, new RegExp(`:${spec.rayVersion!.replaceAll(".", "\\.")}-py311$`));
    const program = bridge!.command!.at(-1)!.replace("/raysidue/", "");
    assert.ok(existsSync(cluster("bridge", program)), `cluster/bridge has no ${program}`);
    // The operator's autoscaler shares the head's logs by a volume of this name.
    const atRay = ray!.volumeMounts!.find(({ mountPath }) => mountPath === "/tmp/ray");
    assert.equal(atRay!.name, "ray-logs");
    for (const template of templatesOf(spec)) checkPod(template);
  });

  test("the driver's job is a Job and asks for what the cluster offers", () => {
    const job = manifest("embed-job.yaml") as ConstructorParameters<typeof Job>[0] & {
      spec: { template: unknown };
    };
    new Job(job).validate();
    const [driver] = checkPod(job.spec.template).spec.containers;
    const { metadata } = RAY_CLUSTER.parse(manifest("cluster.yaml"));
    assert.ok(driver!.args!.includes(`--address=bridge://${metadata.name}-head-svc:7471`));
  });
});

describe("a run with a cluster of its own", () => {
  test("is a RayJob whose head has all that the driver is started with", () => {
    const { spec } = RAY_JOB.parse(manifest("ray-job.yaml"));
    const { headGroupSpec, rayVersion } = spec.rayClusterSpec!;
    const [ray] = checkPod(headGroupSpec.template).spec.containers;
    assert.ok(ray!.image.includes(`:${rayVersion}-`), ray!.image);
    for (const template of templatesOf(spec.rayClusterSpec!)) {
      assert.equal(checkPod(template).spec.containers[0]!.image, ray!.image);
    }
    const [program, ...args] = spec.entrypoint!.split(" ");
    for (const path of [program!, ...args.filter((word) => word.startsWith("/"))]) {
      const isMounted = ray!.volumeMounts!.some(({ mountPath }) => path.startsWith(mountPath));
      assert.ok(isMounted, `nothing is mounted at ${path}`);
    }
    assert.ok(args.includes("--address=ray://127.0.0.1:10001"));
  });
});

test("no object in the manifests has a field that Kubernetes does not know", async () => {
  await using sandbox = new Sandbox();
  const { spec } = RAY_CLUSTER.parse(manifest("cluster.yaml"));
  const { rayClusterSpec } = RAY_JOB.parse(manifest("ray-job.yaml")).spec;
  const templates = [...templatesOf(spec), ...templatesOf(rayClusterSpec!)];
  assert.equal(templates.length, 4);
  const pods = templates.map((it) => ({ type: "v1/PodTemplateSpec" as const, it }));
  const job = { type: "batch/v1/Job" as const, it: manifest("embed-job.yaml") };
  assert.equal(checkKubernetes(sandbox, [...pods, job]), "");
  // And it would be seen.
  const misspelt = JSON.parse(JSON.stringify(pods[0]).replace('"fieldPath"', '"fieldpath"'));
  assert.match(checkKubernetes(sandbox, [misspelt]), /"fieldpath"' does not exist/);
});

describe("systemd", () => {
  const units = readdirSync(cluster("systemd")).filter((name) => name.endsWith(".service"));
  const isHere = existsSync("/usr/bin/systemd-analyze");
  for (const unit of units) {
    test(`${unit} is understood`, { skip: isHere ? false : "no systemd-analyze here" }, () => {
      const path = cluster("systemd", unit);
      const said = execFileSync("systemd-analyze", ["verify", path], { stdio: "pipe" });
      assert.equal(said.toString(), "");
    });
  }
});

test("a unit's command starts its daemon with the token of the credential", async () => {
  await using sandbox = new Sandbox();
  const start = (unit: string, environment: Readonly<Record<string, string>>) => {
    const text = readFileSync(cluster("systemd", unit), "utf8");
    const line = /^ExecStart=\/bin\/sh -c '(.*)'$/m.exec(text)![1]!;
    const credentials = { CREDENTIALS_DIRECTORY: sandbox.path("credentials"), PROGRAM };
    return sandbox.startProgram(["/bin/sh", "-c", line], {
      environment: { ...credentials, ...environment },
    });
  };
  sandbox.write("credentials/token", `${"a".repeat(64)}\n`);
  const scheduler = start("raysidue-scheduler.service", { LISTEN: "127.0.0.1:0" });
  const [address] = await scheduler.printed(/^grpc:\/\/\S+$/m);
  const worker = start("raysidue-worker.service", { RAYSIDUE_ADDRESS: address });
  await worker.printed(/attached/, "stderr");
  assert.equal((await worker.stop()).exit, 0, worker.stderr);
});

describe("SLURM", () => {
  for (const script of readdirSync(cluster("slurm"))) {
    test(`${script} is a bash script`, () => {
      execFileSync("bash", ["-n", cluster("slurm", script)]);
    });
  }
});
