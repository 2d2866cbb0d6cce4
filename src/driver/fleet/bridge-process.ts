/**
 * The bridge as a child in the foreground, with the user's token.
 *
 * Owns: where its program lies, and handing on signals. Invariant: it ends with us.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { messageOf, RaysidueError } from "../../base/errors.ts";
import { userTokenOrNew } from "./token.ts";

const SERVER = fileURLToPath(new URL("../../../../cluster/bridge/server.py", import.meta.url));

export interface BridgeProcessOptions {
  /** A Python that has Ray. */
  readonly python: string;
  readonly arguments: readonly string[];
}

/** Runs until the bridge ends; returns its exit code. Throws RaysidueError "unavailable". */
export async function runBridge(options: BridgeProcessOptions): Promise<number> {
  const child = spawn(options.python, ["-u", SERVER, ...options.arguments, "--with-parent"], {
    env: {
      ...process.env,
      RAYSIDUE_TOKEN: await userTokenOrNew(),
      // Beside an installation nobody may write to.
      PYTHONDONTWRITEBYTECODE: "1",
    },
    stdio: ["pipe", "inherit", "inherit"],
  });
  child.stdin.on("error", () => {});
  const end = () => child.kill("SIGTERM");
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  try {
    const [code] = await once(child, "exit");
    return typeof code === "number" ? code : 1;
  } catch (thrown) {
    const text = `cannot start ${options.python}: ${messageOf(thrown)}; name one with --python`;
    throw new RaysidueError("unavailable", text, { cause: thrown });
  } finally {
    process.off("SIGTERM", end);
    process.off("SIGINT", end);
  }
}
