/**
 * What stands around raysidue on a cluster is well-formed: manifests, units, batch scripts.
 *
 * Pods are checked against Kubernetes' own schema, KubeRay's resource against the fields that its
 * API reference has (ray.io/v1), units by systemd, scripts by bash. No cluster runs here; SLURM's
 * script does, in slurm.test.ts.
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
import { REPOSITORY, Sandbox } from "../support/sandbox.ts";

const cluster = (...names: string[]) => join(REPOSITORY, "cluster", ...names);
const PROGRAM = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));
const manifest = (name: string): unknown => parse(readFileSync(cluster("kuberay", name), "utf8"));

const TEXTS = z.record(z.string(), z.string());
/** Fields of KubeRay's docs/reference/api.md; those that no manifest here has are left out. */
const RAY_CLUSTER_SPEC = z.strictObject({
  rayVersion: z.string(),
  enableInTreeAutoscaling: z.boolean(),
  autoscalerOptions: z.strictObject({
    idleTimeoutSeconds: z.int().positive(),
    upscalingMode: z.enum(["Default", "Aggressive", "Conservative"]),
  }),
  headGroupSpec: z.strictObject({ rayStartParams: TEXTS, template: z.unknown() }),
  workerGroupSpecs: z.array(
    z.strictObject({
      groupName: z.string(),
      replicas: z.int().min(0),
      minReplicas: z.int().min(0),
      maxReplicas: z.int().min(1),
      rayStartParams: TEXTS,
      template: z.unknown(),
    }),
  ),
});
const RAY_CLUSTER = z.strictObject({
  apiVersion: z.literal("ray.io/v1"),
  kind: z.literal("RayCluster"),
  metadata: z.strictObject({ name: z.string() }),
  spec: RAY_CLUSTER_SPEC,
});
const RAY_JOB = z.strictObject({
  apiVersion: z.literal("ray.io/v1"),
  kind: z.literal("RayJob"),
  metadata: z.strictObject({ name: z.string() }),
  spec: z.strictObject({
    entrypoint: z.string(),
    entrypointNumCpus: z.number().min(0),
    submissionMode: z.enum(["K8sJobMode", "HTTPMode", "InteractiveMode"]),
    backoffLimit: z.int().min(0),
    shutdownAfterJobFinishes: z.boolean(),
    ttlSecondsAfterFinished: z.int().min(0),
    rayClusterSpec: RAY_CLUSTER_SPEC,
  }),
});
/** What Kubernetes' models leave unchecked: names of fields that a pod does not have. */
const CONTAINER = z.strictObject({
  ...{ name: z.string(), image: z.string(), workingDir: z.string().optional() },
  ...{ command: z.array(z.string()).optional(), args: z.array(z.string()).optional() },
  ...{ env: z.array(z.unknown()).optional(), resources: z.unknown().optional() },
  ...{ ports: z.array(z.unknown()).optional(), readinessProbe: z.unknown().optional() },
  volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })).optional(),
});
const POD = z.strictObject({
  spec: z.strictObject({
    restartPolicy: z.string().optional(),
    initContainers: z.array(CONTAINER).optional(),
    containers: z.array(CONTAINER),
    volumes: z.array(z.object({ name: z.string() })).optional(),
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

describe("Kubernetes", () => {
  test("the cluster is a RayCluster with the bridge beside its head", () => {
    const { spec } = RAY_CLUSTER.parse(manifest("cluster.yaml"));
    const head = checkPod(spec.headGroupSpec.template);
    const [ray, bridge] = head.spec.containers;
    assert.deepEqual([ray!.name, bridge!.name], ["ray-head", "bridge"]);
    // A driver of Ray must have the cluster's Ray and Python.
    assert.equal(bridge!.image, ray!.image);
    assert.match(ray!.image, new RegExp(`:${spec.rayVersion.replaceAll(".", "\\.")}-py311$`));
    const program = bridge!.command!.at(-1)!.replace("/raysidue/", "");
    assert.ok(existsSync(cluster("bridge", program)), `cluster/bridge has no ${program}`);
    for (const { template } of spec.workerGroupSpecs) checkPod(template);
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
    const { headGroupSpec, workerGroupSpecs, rayVersion } = spec.rayClusterSpec;
    const [ray] = checkPod(headGroupSpec.template).spec.containers;
    assert.ok(ray!.image.includes(`:${rayVersion}-`), ray!.image);
    for (const { template } of workerGroupSpecs) {
      assert.equal(checkPod(template).spec.containers[0]!.image, ray!.image);
    }
    const [program, ...args] = spec.entrypoint.split(" ");
    for (const path of [program!, ...args.filter((word) => word.startsWith("/"))]) {
      const isMounted = ray!.volumeMounts!.some(({ mountPath }) => path.startsWith(mountPath));
      assert.ok(isMounted, `nothing is mounted at ${path}`);
    }
    assert.ok(args.includes("--address=ray://127.0.0.1:10001"));
  });
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
