/**
 * The token that one user's schedulers, workers and drivers share on a machine.
 *
 * Owns: where it lies. `RAYSIDUE_TOKEN` goes before the file; the file is made, readable by its
 * owner only, by the first scheduler that is started by hand.
 */
import { chmod, link, readFile, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fromSystemError, RaysidueError } from "../../base/errors.ts";
import { ensureFolder, temporaryBeside } from "../../base/files.ts";
import { makeToken } from "../../rpc/channel.ts";

/** `$XDG_CONFIG_HOME/raysidue/token` or `~/.config/raysidue/token`. */
export function tokenFile(environment: NodeJS.ProcessEnv = process.env): string {
  const configFolder = environment.XDG_CONFIG_HOME || join(homedir(), ".config");
  return join(configFolder, "raysidue", "token");
}

/** The token to present. Throws RaysidueError "unauthenticated" where there is none. */
export async function userToken(environment: NodeJS.ProcessEnv = process.env): Promise<string> {
  const token = await findToken(environment);
  if (token !== undefined) return token;
  throw new RaysidueError(
    "unauthenticated",
    `no token: set RAYSIDUE_TOKEN, or copy the scheduler's token file to ${tokenFile(environment)}`,
  );
}

/** The token to require; made and kept if there is none yet. */
export async function userTokenOrNew(
  environment: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const known = await findToken(environment);
  if (known !== undefined) return known;
  const path = tokenFile(environment);
  await ensureFolder(dirname(path));
  const temporary = temporaryBeside(path);
  try {
    await writeFile(temporary, `${makeToken()}\n`, { mode: 0o600, flag: "wx" });
    await chmod(temporary, 0o600);
    // A link fails where another process was first: its token is then the user's.
    await link(temporary, path).catch((thrown: NodeJS.ErrnoException) => {
      if (thrown.code !== "EEXIST") throw thrown;
    });
  } catch (thrown) {
    throw fromSystemError(thrown, `cannot write ${path}`);
  } finally {
    await rm(temporary, { force: true });
  }
  return userToken(environment);
}

/** The token there is, or undefined. Throws RaysidueError where the file cannot be read. */
export async function findToken(
  environment: NodeJS.ProcessEnv = process.env,
): Promise<string | undefined> {
  const given = environment.RAYSIDUE_TOKEN;
  if (given !== undefined && given !== "") return given;
  try {
    return (await readFile(tokenFile(environment), "utf8")).trim() || undefined;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw fromSystemError(thrown, `cannot read ${tokenFile(environment)}`);
  }
}
