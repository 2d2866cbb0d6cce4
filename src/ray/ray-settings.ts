/**
 * What the environment says about reaching Ray: its token and TLS, by Ray's own names.
 *
 * Invariant: the environment is an argument. Source: Ray's documentation of token authentication
 * and of TLS.
 */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fromSystemError } from "../base/errors.ts";
import { readPem, type TlsFiles } from "../rpc/tls.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** RAY_AUTH_TOKEN, the file RAY_AUTH_TOKEN_PATH, or ~/.ray/auth_token; undefined: none. */
export async function rayToken(environment: Environment): Promise<string | undefined> {
  const given = environment.RAY_AUTH_TOKEN?.trim();
  if (given) return given;
  const named = environment.RAY_AUTH_TOKEN_PATH;
  const path = named || join(environment.HOME || homedir(), ".ray", "auth_token");
  try {
    return (await readFile(path, "utf8")).trim() || undefined;
  } catch (thrown) {
    if (named) throw fromSystemError(thrown, `RAY_AUTH_TOKEN_PATH: cannot read ${path}`);
    return undefined; // Most clusters have none.
  }
}

/** RAY_USE_TLS with certificate, key and authority; a Ray server demands all three. */
export async function rayTls(environment: Environment): Promise<TlsFiles | undefined> {
  if (!/^(1|true)$/i.test(environment.RAY_USE_TLS ?? "")) return undefined;
  const read = async (name: string) => {
    const path = environment[name];
    return path ? readPem(path, name) : undefined;
  };
  return {
    authority: await read("RAY_TLS_CA_CERT"),
    certificate: await read("RAY_TLS_SERVER_CERT"),
    key: await read("RAY_TLS_SERVER_KEY"),
  };
}
