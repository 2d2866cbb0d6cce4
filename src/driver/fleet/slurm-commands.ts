/**
 * SLURM's own commands: submitting, looking, cancelling.
 *
 * Owns: their command lines and what their complaints mean to a user. Invariant: nothing here goes
 * through a shell, and no secret stands on a command line. Source: sbatch(1), squeue(1), scancel(1),
 * scontrol(1) of SLURM 22.05.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { RaysidueError } from "../../base/errors.ts";

const run = promisify(execFile);

/** SLURM's controller answers at once, or is overloaded and says so by itself. */
const COMMAND_MS = 60_000;

/** A task of an array in the queue. */
export interface QueuedTask {
  /** `PENDING`, `RUNNING`, `COMPLETING`, ... */
  readonly state: string;
  /** Why it waits, in SLURM's word: `Resources`, `Priority`, `QOSMaxJobsPerUserLimit`. */
  readonly reason: string;
}

export interface Submission {
  readonly script: string;
  /** `--option=value`, each. */
  readonly options: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Host of the controller, which nodes reach and we reach nodes by. Throws RaysidueError
 * "unavailable" without SLURM, "try-again" where its controller does not answer.
 */
export async function controllerHost(): Promise<string> {
  const text = await slurm("scontrol", ["show", "config"]);
  // SlurmctldHost[0] = name, or name(address).
  const match = /^SlurmctldHost\[0\]\s*=\s*([^\s(]+)(?:\(([^)]+)\))?/m.exec(text);
  if (match !== null) return match[2] ?? match[1]!;
  throw new RaysidueError(
    "unavailable",
    "scontrol names no SlurmctldHost; is this SLURM 18 or newer?",
  );
}

/** Submits; returns the job's id. Throws RaysidueError "usage" with SLURM's own words. */
export async function submit({ script, options, environment }: Submission): Promise<string> {
  const text = await slurm("sbatch", ["--parsable", ...options, script], environment);
  // `ID` or `ID;CLUSTER`, after warnings if there are any.
  const id = /^(\d+)(?:;.*)?$/m.exec(text.trim())?.[1];
  if (id !== undefined) return id;
  throw new RaysidueError("unavailable", `sbatch answered "${text.trim().slice(0, 200)}"`);
}

/** Tasks of the job that are not over, one by one; empty once SLURM has forgotten it. */
export async function queuedTasks(job: string): Promise<readonly QueuedTask[]> {
  const format = ["--noheader", "--array", `--jobs=${job}`, "--format=%T|%r"];
  let text: string;
  try {
    text = await slurm("squeue", format);
  } catch (thrown) {
    if (/invalid job id/i.test((thrown as Error).message)) return [];
    throw thrown;
  }
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [state = "", reason = ""] = line.split("|");
      return { state, reason };
    });
}

export async function cancel(job: string): Promise<void> {
  await slurm("scancel", [job]).catch((thrown: unknown) => {
    if (!/invalid job id/i.test((thrown as Error).message)) throw thrown;
  });
}

/**
 * What an enclosing job says of itself, which would pass for the new job's, and what changes the
 * answers of `squeue`. Where SLURM is and who we are to it stays.
 */
const NOT_FOR_COMMANDS = /^(SLURM_(?!(CONF|CONF_SERVER|CLUSTERS|JWT)$)|SQUEUE_)/;

function commandEnvironment(): NodeJS.ProcessEnv {
  const all = Object.entries(process.env);
  return Object.fromEntries(all.filter(([name]) => !NOT_FOR_COMMANDS.test(name)));
}

async function slurm(
  command: string,
  options: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  try {
    const { stdout } = await run(command, options, {
      env: { ...commandEnvironment(), ...environment },
      timeout: COMMAND_MS,
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  } catch (thrown) {
    throw failureOf(command, thrown);
  }
}

function failureOf(command: string, thrown: unknown): RaysidueError {
  const { code, stderr = "" } = thrown as { code?: string | number; stderr?: string };
  if (code === "ENOENT") {
    const advice = "run raysidue on a login node of the SLURM cluster, or name another --address";
    return new RaysidueError("unavailable", `no ${command} on this machine; ${advice}`);
  }
  // `sbatch: error: ...`; the last line is the verdict, those before it explain.
  const lines = stderr.split("\n").map((line) => line.replace(/^\w+: (error: |fatal: )?/, ""));
  const said = lines.filter((line) => line.trim() !== "").join("; ");
  const text = `${command}: ${said || `failed (${code ?? "no answer"})`}`;
  if (/unable to contact|connection refused|timed? ?out|try again/i.test(said) || said === "") {
    return new RaysidueError("try-again", `${text}; is slurmctld up?`, { cause: thrown });
  }
  const kind = command === "sbatch" ? "usage" : "unavailable";
  return new RaysidueError(kind, text, { cause: thrown });
}
