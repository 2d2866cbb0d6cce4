/**
 * This installation as a package for nodes: compiled code and what its daemons need at run time.
 *
 * Owns: which files those are. Invariant: a dependency is left out only by name, so that a new one
 * is shipped without anybody thinking of it.
 */
import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { fromSystemError, RaysidueError } from "../base/errors.ts";
import { Archive } from "./archive.ts";
import type { TarEntry } from "./tar.ts";

/** Where package.json stands: three folders up from dist/src/ray. */
export const PACKAGE_ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** What this file was compiled into; on nodes it is always called dist/src. */
const COMPILED = fileURLToPath(new URL("../", import.meta.url));

/** What only drivers need: writers of output formats and the progress bar. */
const DRIVER_ONLY = new Set(["apache-arrow", "h5wasm", "parquet-wasm", "cli-progress"]);

/** Documentation, sources and maps: a daemon runs without. */
const NEEDLESS = /(^|\/)\.[^/]+$|\.(md|map|ts|mts|cts|tsbuildinfo|flow)$/;

export interface NodePlatform {
  /** As the agent says it: "linux". */
  readonly platform: string;
  /** "x86_64", "aarch64". */
  readonly architecture: string;
}

export interface PackageOptions {
  /** The package is for a driver on a node, not for daemons alone. */
  readonly hasDriver?: boolean;
}

/** Throws RaysidueError "unavailable" where there is no ONNX Runtime for the platform. */
export async function packageFor(
  target: NodePlatform,
  { hasDriver = false }: PackageOptions = {},
): Promise<Archive> {
  const cpu = { x86_64: "x64", aarch64: "arm64" }[target.architecture];
  if (target.platform !== "linux" || cpu === undefined) {
    const text = `nodes with ${target.platform} on ${target.architecture} are not supported`;
    throw new RaysidueError("unavailable", `${text}; Linux on x86_64 or aarch64 is`);
  }
  // ONNX Runtime brings libraries for five platforms, 290 MB in all.
  const others = new RegExp(`/bin/napi-v\\d+/((?!linux/)[^/]+|linux/(?!${cpu}/)[^/]+)/`);
  const entries: TarEntry[] = [];
  const add = async (folder: string, isKept: (path: string) => boolean) => {
    await collect(join(PACKAGE_ROOT, folder), folder, isKept, entries);
  };
  await collect(COMPILED, "dist/src", (path) => !/\.(test|fixture)\.js$/.test(path), entries);
  await add("proto", () => true);
  const isPython = (path: string) => !/__pycache__/.test(path);
  await add("cluster/engines", isPython);
  if (hasDriver) await add("cluster/bridge", isPython);
  for (const name of await productionPackages(hasDriver ? new Set() : DRIVER_ONLY)) {
    await add(join("node_modules", name), (path) => !others.test(`${path}/`));
  }
  const manifest = join(PACKAGE_ROOT, "package.json");
  entries.push({ name: "package.json", path: manifest, sizeBytes: (await stat(manifest)).size });
  return Archive.of(entries, { kind: "package", entries: [] });
}

/** Names of installed packages, found from package.json downwards. */
async function productionPackages(leftOut: ReadonlySet<string>): Promise<string[]> {
  const found = new Set<string>();
  const visit = async (folder: string): Promise<void> => {
    const text = await readFile(join(folder, "package.json"), "utf8");
    const { dependencies = {} } = JSON.parse(text) as { dependencies?: Record<string, string> };
    for (const name of Object.keys(dependencies)) {
      if (found.has(name) || leftOut.has(name)) continue;
      found.add(name);
      await visit(join(PACKAGE_ROOT, "node_modules", name));
    }
  };
  try {
    await visit(PACKAGE_ROOT);
  } catch (thrown) {
    const text = `cannot make a package of this installation in ${PACKAGE_ROOT}`;
    throw fromSystemError(thrown, `${text} (its dependencies must lie in its own node_modules)`);
  }
  return [...found];
}

async function collect(
  folder: string,
  name: string,
  isKept: (path: string) => boolean,
  entries: TarEntry[],
): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    const inner = `${name}/${entry.name}`;
    const isProto = /(^|\/)proto(\/|$)/.test(name);
    if (!isKept(inner) || (!isProto && NEEDLESS.test(inner))) continue;
    if (entry.isDirectory()) await collect(path, inner, isKept, entries);
    else if (entry.isFile()) {
      const { size, mode } = await stat(path);
      entries.push({ name: inner, path, sizeBytes: size, isExecutable: (mode & 0o100) !== 0 });
    } else if (entry.isSymbolicLink()) {
      const linkTarget = await readlink(path);
      const isInside = !relative(PACKAGE_ROOT, join(folder, linkTarget)).startsWith("..");
      if (isInside) entries.push({ name: inner, path, sizeBytes: 0, linkTarget });
    }
  }
}
