/**
 * What KubeRay's resources may hold, and what a pod may hold: strict, unknown fields refused.
 *
 * Facts, not copies: names, types, enums and required fields of `RayClusterSpec` and `RayJobSpec`
 * (ray.io/v1), read from ray-project/kuberay, ray-operator/apis/ray/v1 at 026f1433 and 0057210e, of
 * which the operator's CRDs are generated; those of the CRD at 017710c0 have them all. Only what
 * KubeRay 1.2 knows and newer versions still know is here: kubectl refuses an unknown field.
 * Pods are checked against the types of Kubernetes' own schema (kubernetes-models) by the compiler,
 * which refuses a field that an object of the API has not, at any depth.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { z } from "zod";
import { REPOSITORY, type Sandbox } from "./sandbox.ts";

const int32 = z.int32();
const TEXTS = z.record(z.string(), z.string());
/** An object of Kubernetes, which `checkKubernetes` looks into. */
const KUBERNETES = z.record(z.string(), z.unknown());

export const RAY_CLUSTER_SPEC = z.strictObject({
  headGroupSpec: z.strictObject({
    serviceType: z.string().optional(),
    headService: KUBERNETES.optional(),
    enableIngress: z.boolean().optional(),
    // Optional only since 1.4.
    rayStartParams: TEXTS,
    template: KUBERNETES,
  }),
  workerGroupSpecs: z
    .array(
      z.strictObject({
        groupName: z.string(),
        replicas: int32.optional(),
        minReplicas: int32,
        maxReplicas: int32,
        numOfHosts: int32.optional(),
        rayStartParams: TEXTS,
        template: KUBERNETES,
        scaleStrategy: z.strictObject({ workersToDelete: z.array(z.string()) }).optional(),
      }),
    )
    .optional(),
  rayVersion: z.string().optional(),
  enableInTreeAutoscaling: z.boolean().optional(),
  autoscalerOptions: z
    .strictObject({
      resources: KUBERNETES.optional(),
      image: z.string().optional(),
      imagePullPolicy: z.string().optional(),
      env: z.array(KUBERNETES).optional(),
      envFrom: z.array(KUBERNETES).optional(),
      volumeMounts: z.array(KUBERNETES).optional(),
      securityContext: KUBERNETES.optional(),
      idleTimeoutSeconds: int32.optional(),
      upscalingMode: z.enum(["Default", "Aggressive", "Conservative"]).optional(),
    })
    .optional(),
  headServiceAnnotations: TEXTS.optional(),
  suspend: z.boolean().optional(),
});

const RAY_JOB_SPEC = z.strictObject({
  activeDeadlineSeconds: int32.optional(),
  // Since 1.2.
  backoffLimit: int32.optional(),
  rayClusterSpec: RAY_CLUSTER_SPEC.optional(),
  submitterPodTemplate: KUBERNETES.optional(),
  metadata: TEXTS.optional(),
  clusterSelector: TEXTS.optional(),
  entrypoint: z.string().optional(),
  runtimeEnvYAML: z.string().optional(),
  jobId: z.string().optional(),
  // Since 1.1; InteractiveMode came later.
  submissionMode: z.enum(["K8sJobMode", "HTTPMode"]).optional(),
  entrypointResources: z.string().optional(),
  entrypointNumCpus: z.number().optional(),
  entrypointNumGpus: z.number().optional(),
  ttlSecondsAfterFinished: int32.optional(),
  shutdownAfterJobFinishes: z.boolean().optional(),
  suspend: z.boolean().optional(),
});

const resource = <Kind extends string, Spec extends z.ZodType>(kind: Kind, spec: Spec) =>
  z.strictObject({
    apiVersion: z.literal("ray.io/v1"),
    kind: z.literal(kind),
    metadata: z.strictObject({ name: z.string().regex(/^[a-z]([-a-z0-9]*[a-z0-9])?$/) }),
    spec,
  });

export const RAY_CLUSTER = resource("RayCluster", RAY_CLUSTER_SPEC);
export const RAY_JOB = resource("RayJob", RAY_JOB_SPEC);

/** What the compiler has against these objects of Kubernetes' API; empty: nothing. */
export function checkKubernetes(
  sandbox: Sandbox,
  objects: readonly {
    readonly type: "v1/PodTemplateSpec" | "batch/v1/Job";
    readonly it: unknown;
  }[],
): string {
  const models = join(REPOSITORY, "node_modules", "kubernetes-models");
  const lines = objects.flatMap(({ type, it }, i) => [
    `import type { I${type.split("/").at(-1)} as Type${i} } from "${models}/${type}.js";`,
    `export const it${i}: Type${i} = ${JSON.stringify(it, undefined, 1)};`,
  ]);
  const path = sandbox.write("objects.mts", lines.join("\n"));
  const flags = [
    "--noEmit",
    "--strict",
    "--skipLibCheck",
    "--module",
    "nodenext",
    "--types",
    "node",
  ];
  const compiler = join(REPOSITORY, "node_modules", ".bin", "tsc");
  try {
    execFileSync(
      compiler,
      [...flags, "--typeRoots", join(REPOSITORY, "node_modules/@types"), path],
      {
        cwd: sandbox.path("."),
        stdio: "pipe",
      },
    );
    return "";
  } catch (thrown) {
    const { stdout, stderr } = thrown as { stdout: Buffer; stderr: Buffer };
    return `${stdout}${stderr}`.replaceAll(`${path}`, "");
  }
}
