/**
 * How long before the end of its walltime a worker of SLURM is warned.
 *
 * Source: sbatch(1), `--time` and `--signal`. SLURM looks every half minute and may warn that much
 * earlier, or later if it is busy.
 */

/** What cluster/slurm/worker.sbatch says: SLURM's tolerance, and time to finish what runs. */
export const WARNING_SECONDS = 120;
/** Of a short walltime; with two minutes of warning a worker of two minutes would drain at once. */
const WARNING_SHARE = 0.25;

/** Seconds; undefined where the walltime is none that is known here. */
export function warningSeconds(time: string | undefined): number | undefined {
  const walltime = time === undefined ? undefined : walltimeSeconds(time);
  if (walltime === undefined) return undefined;
  return Math.max(1, Math.min(WARNING_SECONDS, Math.floor(walltime * WARNING_SHARE)));
}

/** `M`, `M:S`, `H:M:S`, `D-H`, `D-H:M`, `D-H:M:S`; undefined: unlimited, or for sbatch to refuse. */
export function walltimeSeconds(time: string): number | undefined {
  const match = /^(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?$/.exec(time);
  if (match === null) return undefined;
  const [days, ...parts] = match
    .slice(1)
    .map((part) => (part === undefined ? undefined : Number(part)));
  const [first = 0, second, third] = parts;
  if (days !== undefined) return 86_400 * days + 3600 * first + 60 * (second ?? 0) + (third ?? 0);
  if (third !== undefined) return 3600 * first + 60 * second! + third;
  return 60 * first + (second ?? 0);
}
