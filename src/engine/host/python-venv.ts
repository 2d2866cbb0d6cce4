/**
 * Python environments of engines, made once and kept.
 *
 * Owns: where they lie, what they are known by, and making them. Invariant: an environment appears
 * under its name when all of it is installed; its name comes from the requirements and the Python,
 * so that another version of either gets another one. The user's own pip settings apply; source
 * distributions are refused, so nothing of a package runs before the engine does. Needs Python with
 * pip and venv, but not ensurepip, which some distributions leave out.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { z } from "zod";
import { fromSystemError, messageOf, RaysidueError } from "../../base/errors.ts";
import { ensureFolder } from "../../base/files.ts";
import { isProvablyDead, makeOwnerWord } from "../../base/process-owner.ts";
import { type Environment, ownCacheFolder } from "../../model/environment.ts";
import { withPullLock } from "../../model/pull-lock.ts";
import { findPython } from "../../model/wheel.ts";

export interface VenvOptions {
  readonly environment: Environment;
  /** Told once, when an environment has to be made or is waited for. */
  readonly onMake?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** pip's last lines say what went wrong; more than this of them is noise. */
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;

/** `# python >= 3.10` among the requirements. */
const PYTHON_LEAST = /^#\s*python\s*>=\s*(\d+)\.(\d+)\s*$/m;

const PYTHON_FACTS = z.object({
  /** Of the base installation: an environment refers to it. */
  prefix: z.string(),
  version: z.tuple([z.number(), z.number(), z.number()]),
  machine: z.string(),
});
const FACTS_SCRIPT =
  "import json, platform, sys; print(json.dumps({'prefix': sys.base_prefix," +
  " 'version': sys.version_info[:3], 'machine': platform.machine()}))";
const PACKAGES_SCRIPT = "import sysconfig; print(sysconfig.get_path('purelib'))";

/**
 * The Python of the environment for `requirementsPath`, made if need be. Throws RaysidueError:
 * "unavailable" without a Python that does, "try-again" where pip fails.
 */
export async function ensureVenv(requirementsPath: string, options: VenvOptions): Promise<string> {
  const { environment } = options;
  const root = environment.RAYSIDUE_VENV_DIR || join(ownCacheFolder(environment), "venvs");
  const scratch = await mkdtemp(join(tmpdir(), "raysidue-venv-"));
  try {
    const text = await readFile(requirementsPath, "utf8");
    const what = basename(join(requirementsPath, ".."));
    // pip is only asked for when something has to be installed: its start takes half a second.
    const found = await quickFacts(scratch, options);
    const quickPath = found && pathOf(root, what, text, found);
    if (quickPath !== undefined && (await isThere(quickPath))) {
      return join(quickPath, "bin", "python");
    }
    const need = `engine ${what} needs Python with pip`;
    const python = await findPython(scratch, { ...options, need });
    const facts = await factsOf(python, scratch, options);
    checkVersion(facts.version, text, `engine ${what}`);
    const path = pathOf(root, what, text, facts);
    const name = basename(path);
    if (await isThere(path)) return join(path, "bin", "python");
    options.onMake?.(`making the Python environment of engine ${what} in ${path}, once`);
    await ensureFolder(root);
    const make = async () => {
      if (!(await isThere(path))) await makeVenv({ python, requirementsPath, root, name }, options);
    };
    await withPullLock(join(root, `.${name}.lock`), make, { signal: options.signal });
    return join(path, "bin", "python");
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot make a Python environment for ${requirementsPath}`);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

type PythonFacts = z.infer<typeof PYTHON_FACTS>;

/** Where the environment of these requirements and this Python lies. */
function pathOf(root: string, what: string, requirements: string, facts: PythonFacts): string {
  const known = JSON.stringify([requirements, facts]);
  const digest = createHash("sha256").update(known).digest("hex");
  return join(root, `${what.replace(/[^\w-]/g, "_")}-${digest.slice(0, 16)}`);
}

async function factsOf(python: string, folder: string, options: VenvOptions): Promise<PythonFacts> {
  return PYTHON_FACTS.parse(JSON.parse(await run(python, ["-c", FACTS_SCRIPT], folder, options)));
}

/** Of the Python that findPython tries first; undefined where that does not start. */
async function quickFacts(folder: string, options: VenvOptions): Promise<PythonFacts | undefined> {
  try {
    return await factsOf(options.environment.RAYSIDUE_PYTHON || "python3", folder, options);
  } catch {
    // findPython tries the next one, or says what is wrong.
    return undefined;
  }
}

function checkVersion(version: readonly number[], requirements: string, what: string): void {
  const [, major = "3", minor = "8"] = PYTHON_LEAST.exec(requirements) ?? [];
  const isEnough =
    version[0]! > Number(major) || (version[0] === Number(major) && version[1]! >= Number(minor));
  if (isEnough) return;
  const text = `${what} needs Python ${major}.${minor} or newer, here is ${version.join(".")}`;
  throw new RaysidueError("unavailable", `${text}; name a newer one in RAYSIDUE_PYTHON`);
}

async function isThere(path: string): Promise<boolean> {
  return access(join(path, "bin", "python")).then(
    () => true,
    () => false,
  );
}

async function makeVenv(
  venv: { python: string; requirementsPath: string; root: string; name: string },
  options: VenvOptions,
): Promise<void> {
  const { python, requirementsPath, root, name } = venv;
  await sweep(root, name);
  const under = join(root, `.${name}.${makeOwnerWord()}`);
  try {
    await run(python, ["-m", "venv", "--without-pip", under], root, options);
    const inside = join(under, "bin", "python");
    const packages = (await run(inside, ["-c", PACKAGES_SCRIPT], root, options)).trim();
    const pip = ["-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"];
    const where = ["--target", packages, "--only-binary", ":all:", "-r", requirementsPath];
    await run(python, [...pip, ...where], root, options);
    await rename(under, join(root, name));
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code;
    // Somebody else's, finished first: as good as ours.
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw thrown;
  } finally {
    await rm(under, { recursive: true, force: true });
  }
}

/** Removes what killed makers left behind. */
async function sweep(root: string, name: string): Promise<void> {
  const start = `.${name}.`;
  for (const each of await readdir(root)) {
    if (!each.startsWith(start) || !isProvablyDead(each.slice(start.length))) continue;
    await rm(join(root, each), { recursive: true, force: true });
  }
}

/** Standard output of a command run in `folder`, where no module of the user's lies in the way. */
function run(
  command: string,
  args: readonly string[],
  folder: string,
  { environment, signal }: VenvOptions,
): Promise<string> {
  // The user's settings for installing elsewhere contradict --target.
  const env = { ...environment, PIP_USER: "0", PIP_REQUIRE_VIRTUALENV: "0" } as NodeJS.ProcessEnv;
  for (const name of ["PIP_TARGET", "PIP_PREFIX", "PYTHONPATH", "PYTHONHOME"]) delete env[name];
  return new Promise((resolve, reject) => {
    const settings = { cwd: folder, env, maxBuffer: OUTPUT_BYTES_MAX, ...(signal && { signal }) };
    const child = execFile(command, args, settings, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if (signal?.aborted) reject(new RaysidueError("cancelled", "interrupted"));
      else reject(failed(command, args, `${stdout}\n${stderr}`.trim() || messageOf(error)));
    });
    child.stdin?.end();
  });
}

function failed(command: string, args: readonly string[], output: string): RaysidueError {
  const lines = output.split(/\r?\n/).filter((line) => /\S/.test(line));
  const said = (lines.filter((line) => line.startsWith("ERROR:")).at(-1) ?? lines.at(-1))?.trim();
  if (/No space left on device/i.test(output)) {
    const text = "the disk is full; free some space and run the same command again";
    return new RaysidueError("try-again", `cannot make a Python environment: ${text}`);
  }
  const what = `\`${command} ${args.slice(0, 2).join(" ")} ...\` failed: ${said}`;
  const advice =
    args[1] === "pip"
      ? "an engine's Python packages are fetched once; check the network and pip's settings"
      : "check this Python, or name another in RAYSIDUE_PYTHON";
  return new RaysidueError(args[1] === "pip" ? "try-again" : "unavailable", `${what}; ${advice}`);
}
