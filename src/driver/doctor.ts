/**
 * What raysidue needs of a machine, each looked at for real.
 *
 * Owns: the checks behind `raysidue doctor`. Invariant: a check never throws and never changes
 * anything but a temporary file; each says what it saw and, if that is not well, what to do.
 */
import { execFile } from "node:child_process";
import { statfs } from "node:fs/promises";
import { createServer } from "node:net";
import os from "node:os";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { messageOf } from "../base/errors.ts";
import { ensureFolder } from "../base/files.ts";
import { formatBytes } from "../base/units.ts";
import { loadRuntime } from "../engine/onnx/session.ts";
import { hubCacheRoot } from "../model/environment.ts";
import { defaultCacheFolder } from "../store/cache-folder.ts";

export interface Finding {
  readonly subject: string;
  readonly verdict: "OK" | "WARN" | "FAIL";
  /** What was seen. */
  readonly detail: string;
  /** What to do; empty where all is well. */
  readonly advice: string;
}

type Check = Omit<Finding, "subject">;

const ok = (detail: string): Check => ({ verdict: "OK", detail, advice: "" });
const warn = (detail: string, advice: string): Check => ({ verdict: "WARN", detail, advice });
const fail = (detail: string, advice: string): Check => ({ verdict: "FAIL", detail, advice });

const NODE_LEAST = [20, 20] as const;
/** Below this, a run of any size is likely to end with a full disk. */
const DISK_LEAST_BYTES = 2 * 2 ** 30;
/** AntiBERTy needs 1 GiB for two engines; the rest is for everybody else. */
const MEMORY_LEAST_BYTES = 2 * 2 ** 30;
/** No release of this software is older. */
const CLOCK_LEAST = Date.UTC(2026, 0, 1);

/** Looks at everything, one after another. */
export async function examine(options: { readonly cacheDir?: string }): Promise<Finding[]> {
  const cacheFolder = options.cacheDir ?? defaultCacheFolder();
  const checks: Record<string, () => Promise<Check> | Check> = {
    node: checkNode,
    "onnx runtime": checkOnnxRuntime,
    python: checkPython,
    memory: checkMemory,
    "result cache": () => checkFolder(cacheFolder),
    "model cache": () => checkFolder(hubCacheRoot(process.env)),
    loopback: checkLoopback,
    clock: checkClock,
  };
  const findings: Finding[] = [];
  for (const [subject, check] of Object.entries(checks)) {
    try {
      findings.push({ subject, ...(await check()) });
    } catch (thrown) {
      findings.push({ subject, ...fail(messageOf(thrown), "see the message") });
    }
  }
  return findings;
}

function checkNode(): Check {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const isRecent = major > NODE_LEAST[0] || (major === NODE_LEAST[0] && minor >= NODE_LEAST[1]);
  const detail = `Node ${process.versions.node}`;
  return isRecent ? ok(detail) : fail(detail, `install Node ${NODE_LEAST.join(".")} or newer`);
}

async function checkOnnxRuntime(): Promise<Check> {
  try {
    const { versions } = (await loadRuntime()).env;
    return ok(`ONNX Runtime ${versions.node ?? versions.common}`);
  } catch (thrown) {
    return fail(
      messageOf(thrown),
      "run `npm ci` again; the binary is for x64 and arm64 with glibc",
    );
  }
}

async function checkPython(): Promise<Check> {
  const python = process.env.RAYSIDUE_PYTHON || "python3";
  try {
    const { stdout } = await promisify(execFile)(python, ["-m", "pip", "--version"]);
    return ok(stdout.trim().replace(/ from .*\(/, " ("));
  } catch {
    const advice = "needed only to pull models from PyPI (antiberty): install Python 3.8+ with pip";
    return warn(`${python} -m pip does not run`, advice);
  }
}

function checkMemory(): Check {
  const free = Math.min(os.freemem() || Infinity, process.availableMemory?.() ?? Infinity);
  const detail = `${formatBytes(free)} free of ${formatBytes(os.totalmem())}`;
  if (free >= MEMORY_LEAST_BYTES) return ok(detail);
  return warn(detail, "close other programs, or give --memory to hold the engines back");
}

async function checkFolder(folder: string): Promise<Check> {
  await ensureFolder(folder);
  const { bavail, bsize } = await statfs(folder).catch(() => statfs(dirname(folder)));
  const free = bavail * bsize;
  const detail = `${folder}, ${formatBytes(free)} free`;
  if (free >= DISK_LEAST_BYTES) return ok(detail);
  return warn(detail, "free some space, or choose another folder (RAYSIDUE_CACHE_DIR, HF_HOME)");
}

async function checkLoopback(): Promise<Check> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    return ok("127.0.0.1 can be listened on");
  } catch (thrown) {
    return fail(messageOf(thrown), "allow sockets on 127.0.0.1; all processes talk over them");
  } finally {
    server.close();
  }
}

function checkClock(): Check {
  const now = new Date();
  const detail = now.toISOString();
  if (now.getTime() >= CLOCK_LEAST) return ok(detail);
  return warn(detail, "set the clock: cache upkeep and certificates go by it");
}
