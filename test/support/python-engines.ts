/**
 * Python environments of engines, for tests.
 *
 * Owns: where they are kept from one test run to the next (RAYSIDUE_TEST_CACHE, or .cache/test in
 * the repository), and whether they can be had at all: without Python, pip or an index tests skip
 * aloud.
 */
import { join } from "node:path";
import { RaysidueError } from "../../src/base/errors.ts";
import { ensureVenv } from "../../src/engine/host/python-venv.ts";
import { REPOSITORY } from "./sandbox.ts";

/** For the environment of every command that starts engines. */
export const ENGINE_ENVIRONMENT = {
  RAYSIDUE_VENV_DIR: join(
    process.env.RAYSIDUE_TEST_CACHE ?? join(REPOSITORY, ".cache", "test"),
    "venvs",
  ),
} as const;

/** The environment's Python, or why there is none. */
export type PreparedEngine =
  | { readonly python: string; readonly missing?: undefined }
  | { readonly missing: string };

/** Makes the environment of an engine's folder below the repository. */
export async function prepareEngine(...folder: string[]): Promise<PreparedEngine> {
  const environment = { ...process.env, ...ENGINE_ENVIRONMENT };
  try {
    const requirements = join(REPOSITORY, ...folder, "requirements.txt");
    return { python: await ensureVenv(requirements, { environment }) };
  } catch (thrown) {
    if (thrown instanceof RaysidueError && thrown.code !== "internal") {
      return { missing: thrown.message };
    }
    throw thrown;
  }
}
