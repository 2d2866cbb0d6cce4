/**
 * `raysidue doctor`: is this machine fit, and if not, what to do.
 */
import type { Command } from "@commander-js/extra-typings";
import { printJson } from "./exit.ts";

export function addDoctorCommand(program: Command): void {
  program
    .command("doctor")
    .description("check this machine: each point OK, WARN or FAIL with what to do")
    .option("--cache-dir <folder>", "the cache (default: raysidue in the user's cache folder)")
    .option("--json", "one JSON value on standard output")
    .action(async ({ cacheDir, json }) => {
      const { examine } = await import("../driver/doctor.ts");
      const findings = await examine({ ...(cacheDir !== undefined && { cacheDir }) });
      if (findings.some((finding) => finding.verdict === "FAIL")) process.exitCode = 69;
      if (json) return printJson({ findings });
      for (const { verdict, subject, detail, advice } of findings) {
        const rest = advice === "" ? detail : `${detail}; ${advice}`;
        process.stdout.write(`${verdict.padEnd(4)} ${subject.padEnd(13)} ${rest}\n`);
      }
    });
}
