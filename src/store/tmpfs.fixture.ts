/** A small file system for tests of full disks; needs the right to mount. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder with a file system of `sizeKib` in it, or in words why there is none. */
export function mountTmpfs(sizeKib: number): { folder: string; unmount: () => void } | string {
  const folder = mkdtempSync(join(tmpdir(), "raysidue-small-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeKib}k`, "tmpfs", folder], {
      stdio: "pipe",
    });
  } catch (thrown) {
    rmdirSync(folder);
    return `cannot mount a tmpfs here: ${thrown instanceof Error ? thrown.message.trim() : thrown}`;
  }
  return {
    folder,
    unmount: () => {
      execFileSync("umount", [folder]);
      rmdirSync(folder);
    },
  };
}
