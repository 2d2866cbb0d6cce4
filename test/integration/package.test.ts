/**
 * The package as a stranger gets it: what is in it, and that it works where nothing else is.
 *
 * Proves: the archive holds the program and neither tests nor fixtures; a strict TypeScript project
 * compiles against its types alone, and the compiled program and the command run from it.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const REPOSITORY = fileURLToPath(new URL("../../..", import.meta.url));
const folder = await mkdtemp(join(tmpdir(), "package-test-"));
after(() => rm(folder, { recursive: true, force: true }));

const CONSUMER = `
import { connect, type ItemResult, openRun } from "raysidue";
await using session = await connect({ emulate: ["instant"] });
await using run = await openRun(session, { kind: "embed", model: "emulate", cacheFolder: null });
const submitted = run.submit([{ id: "a", sequence: "ACDE" }]);
for await (const result of run.results()) {
  const known: ItemResult = result;
  console.log(known.id, known.status);
}
await submitted;
// @ts-expect-error There is no such kind.
export const refused = () => openRun(session, { kind: "fold" });
`;

test("the package holds the program, and works in a project of its own", async () => {
  // Scripts would build again under the feet of the tests that run beside this one.
  const pack = ["pack", "--ignore-scripts", "--json", "--silent", "--pack-destination", folder];
  const env = { ...process.env, npm_config_cache: join(folder, "npm") };
  const { stdout } = await run("npm", pack, { cwd: REPOSITORY, env, maxBuffer: 2 ** 25 });
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf("["))) as [
    { filename: string; files: { path: string }[] },
  ];
  const paths = packed.files.map(({ path }) => path);
  for (const path of [
    ...["README.md", "ARCHITECTURE.md", "LICENSE", "package.json"],
    ...["dist/src/cli/main.js", "dist/src/driver/api.js", "dist/src/driver/api.d.ts"],
    ...["dist/src/engine/process.js", "proto/raysidue/v1/engine.proto", "cluster/bridge/server.py"],
    "examples/fleets/F12.toml",
  ]) {
    assert(paths.includes(path), `${path} is missing`);
  }
  const known =
    /^(dist\/src|proto|cluster|examples\/fleets)\/|^(README\.md|ARCHITECTURE\.md|LICENSE|package\.json)$/;
  const strange = paths.filter(
    (path) =>
      !known.test(path) || /\.(test|fixture)\.|\.map$|__pycache__|\.tsbuildinfo$/.test(path),
  );
  assert.deepEqual(strange, []);

  const modules = join(folder, "node_modules");
  await mkdir(modules);
  await run("tar", ["-xzf", join(folder, packed.filename), "-C", folder]);
  await rename(join(folder, "package"), join(modules, "raysidue"));
  // What `npm install` would fetch; the test needs no network for it.
  for (const name of await readdir(join(REPOSITORY, "node_modules"))) {
    if (name.startsWith(".")) continue;
    await symlink(join(REPOSITORY, "node_modules", name), join(modules, name));
  }
  await writeFile(join(folder, "package.json"), '{ "type": "module" }\n');
  await writeFile(join(folder, "use.ts"), CONSUMER);
  const options = ["--strict", "--module", "nodenext", "--target", "es2022", "--types", "node"];
  const library = ["--lib", "es2023,esnext.disposable"];
  const tsc = join(REPOSITORY, "node_modules/typescript/lib/tsc.js");
  await run(process.execPath, [tsc, ...options, ...library, "use.ts"], { cwd: folder });
  const used = await run(process.execPath, ["use.js"], { cwd: folder });
  assert.equal(used.stdout, "a ok\n");
  const program = join(modules, "raysidue/dist/src/cli/main.js");
  const version = await run(process.execPath, [program, "--version"], { cwd: folder });
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
});
