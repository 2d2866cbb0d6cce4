/**
 * `raysidue cache list | verify | prune`: the results shared by runs.
 */
import type { Command } from "@commander-js/extra-typings";
import { printJson } from "./exit.ts";
import { parseBytes } from "./option-values.ts";

export function addCacheCommand(program: Command): void {
  const cache = program.command("cache").description("results shared by runs");
  const folderHelp = "the cache (default: raysidue in the user's cache folder)";
  cache
    .command("list")
    .description("what the cache holds, latest used first")
    .option("--cache-dir <folder>", folderHelp)
    .option("--json", "one JSON value on standard output")
    .action(async ({ cacheDir, json }) => {
      const { upkeep, root, formatBytes } = await load(cacheDir);
      const spaces = await upkeep.listSpaces(root);
      if (json) return printJson({ cache: root, spaces });
      process.stderr.write(`${root}: ${spaces.length} sets of results\n`);
      for (const space of spaces) {
        const lastUsed = new Date(space.lastUsedAt).toISOString();
        const row = [space.kind, space.model, space.rowCount, formatBytes(space.sizeBytes)];
        process.stdout.write(`${[...row, lastUsed, space.parameters].join("\t")}\n`);
      }
    });
  cache
    .command("verify")
    .description("read every checksum; damaged shards are set aside")
    .option("--cache-dir <folder>", folderHelp)
    .option("--json", "one JSON value on standard output")
    .action(async ({ cacheDir, json }) => {
      const { upkeep, root } = await load(cacheDir);
      const report = await upkeep.verifyCache(root);
      const { shardCount, rowCount, damaged, notes } = report;
      if (damaged.length > 0) process.exitCode = 65;
      if (json) return printJson({ cache: root, ...report });
      for (const note of notes) process.stderr.write(`${note}\n`);
      process.stdout.write(`${shardCount} shards, ${rowCount} rows, ${damaged.length} damaged\n`);
    });
  cache
    .command("prune")
    .description("remove the least recently used results")
    .requiredOption("--max-size <size>", "what may stay, e.g. 50GB", parseBytes)
    .option("--force", "remove also what was used in the last 15 minutes")
    .option("--cache-dir <folder>", folderHelp)
    .option("--json", "one JSON value on standard output")
    .action(async ({ maxSize, force, cacheDir, json }) => {
      const { upkeep, root, formatBytes } = await load(cacheDir);
      const report = await upkeep.pruneCache(root, {
        maxSizeBytes: maxSize,
        force: force === true,
      });
      if (json) return printJson({ cache: root, ...report });
      const left = `${formatBytes(report.leftBytes)} left`;
      const inUse = `${formatBytes(report.protectedBytes)} of it in use`;
      const removed = `${report.removedShards} shards (${formatBytes(report.removedBytes)}) removed`;
      process.stdout.write(`${removed}, ${left}, ${inUse}\n`);
    });
}

async function load(cacheDir: string | undefined) {
  const [upkeep, { defaultCacheFolder }, { formatBytes }] = await Promise.all([
    import("../store/cache-upkeep.ts"),
    import("../store/cache-folder.ts"),
    import("../base/units.ts"),
  ]);
  return { upkeep, root: cacheDir ?? defaultCacheFolder(), formatBytes };
}
