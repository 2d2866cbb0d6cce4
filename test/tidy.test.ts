/**
 * Style as a test: import rules, sizes, dead files and forbidden words (ARCHITECTURE.md).
 *
 * Reads the sources, not what was compiled. A rule that has to be broken is broken here, by name
 * and with a reason.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import {
  findCycle,
  listFiles,
  readSource,
  repositoryRoot,
  type SourceFile,
  withoutComments,
} from "./source-tree.fixture.ts";

/** Higher floors import lower ones, never the other way; rooms of one floor never cyclically. */
const FLOORS: readonly (readonly string[])[] = [
  ["base"],
  ["model", "science", "store", "formats", "rpc"],
  ["kind", "engine"],
  ["scheduler", "worker", "ray", "simulate"],
  ["driver"],
  ["cli"],
];

/** Rooms that must not know of others though the floors would allow it. */
const STRANGERS: readonly { from: RegExp; to: RegExp; why: string }[] = [
  {
    from: /^src\/scheduler\/core\//,
    to: /^src\/(?!base\/|scheduler\/core\/)/,
    why: "the scheduler's core imports nothing but base and itself",
  },
  { from: /^src\/ray\//, to: /^src\/(formats|science|model)\//, why: "ray knows no sequences" },
  { from: /^src\/formats\//, to: /^src\/rpc\//, why: "formats know nothing of gRPC" },
  { from: /^src\/(?!rpc\/)/, to: /^src\/rpc\/gen\//, why: "generated types stop in rpc" },
  { from: /^src\/(?!rpc\/)/, to: /^@grpc\//, why: "only rpc knows gRPC" },
  { from: /^src\//, to: /^(test|scripts|examples)\//, why: "sources import sources" },
];

/** What nothing imports because a person or a process starts it. */
const ENTRY_POINTS: ReadonlySet<string> = new Set([
  "src/cli/main.ts", // package.json: bin
  "src/driver/api.ts", // package.json: exports
]);

/** Files and folders that stand ready for planned work, with who will import them; must shrink. */
const AWAITED: ReadonlyMap<string, string> = new Map([]);

/** The package's public exports stand in one file; elsewhere `export ... from` is a barrel. */
const MAY_REEXPORT: ReadonlySet<string> = new Set(["src/driver/api.ts"]);

const LINES_MAX = 300;
const TEST_LINES_MAX = 500;
/** Longer files, each with its reason. */
const LONG_FILES: ReadonlyMap<string, string> = new Map([]);

const root = repositoryRoot();
const files = listFiles(root);
const isGenerated = (path: string) => path.startsWith("src/rpc/gen/");
const isForTests = (path: string) => /\.(test|fixture)\.ts$/.test(path);
const sources: readonly SourceFile[] = files
  .filter((path) => /^(src|test|scripts|examples)\/.*\.ts$/.test(path) && !path.endsWith(".d.ts"))
  .map((path) => readSource(root, path));
const ownSources = sources.filter(({ path }) => !isGenerated(path));
const program = ownSources.filter(({ path }) => path.startsWith("src/"));

/** All offences at once: a person wants to see the whole list. */
function assertNone(offences: readonly string[], rule: string): void {
  assert.equal(offences.length, 0, `${rule}:\n  ${offences.join("\n  ")}`);
}

const roomOf = (path: string) => /^src\/([^/]+)\//.exec(path)?.[1];

test("the sources were found", () => {
  assert(program.length > 20 && sources.length > program.length);
  const known = FLOORS.flat();
  assertNone(
    program.map(({ path }) => path).filter((path) => !known.includes(roomOf(path) ?? "")),
    "every source stands in a room of a known floor",
  );
});

test("imports name files that exist, by their .ts name", () => {
  const present = new Set(files);
  assertNone(
    ownSources.flatMap(({ path, imports }) =>
      imports
        .filter((target) => /^(src|test|scripts|examples|\.)/.test(target) && !present.has(target))
        .map((target) => `${path} -> ${target}`),
    ),
    "imports of files that are not there",
  );
});

test("imports point down", () => {
  const floorOf = (room: string | undefined) => FLOORS.findIndex((each) => each.includes(room!));
  const offences: string[] = [];
  for (const { path, imports } of program) {
    for (const target of imports) {
      if (floorOf(roomOf(target)) > floorOf(roomOf(path))) offences.push(`${path} -> ${target}`);
      // A test may look where its subject may not.
      if (isForTests(path)) continue;
      for (const { from, to, why } of STRANGERS) {
        if (from.test(path) && to.test(target)) offences.push(`${path} -> ${target} (${why})`);
      }
    }
  }
  assertNone(offences, "imports that point up or to strangers");
});

test("neither files nor rooms import one another in a circle", () => {
  const rooms = new Map<string, string[]>();
  for (const { path, imports } of program) {
    const room = roomOf(path)!;
    const others = imports.map(roomOf).filter((other) => other !== undefined && other !== room);
    rooms.set(room, [...(rooms.get(room) ?? []), ...(others as string[])]);
  }
  assert.deepEqual(findCycle(rooms), undefined);
  assert.deepEqual(findCycle(innerRooms()), undefined);
  assert.deepEqual(findCycle(new Map(sources.map((each) => [each.path, each.imports]))), undefined);
});

/** Folders of a room, each with those of the same room that it imports. */
function innerRooms(): Map<string, string[]> {
  const folders = new Map<string, string[]>();
  for (const { path, imports } of program) {
    const folder = dirname(path);
    const others = imports.map((target) => dirname(target));
    // What stands in the room itself may be above its folders (driver/api) or below (formats/spool).
    const inner = others.filter(
      (other) =>
        other !== folder && roomOf(`${other}/`) === roomOf(path) && other.split("/").length > 2,
    );
    if (isForTests(path) || folder.split("/").length === 2) continue;
    folders.set(folder, [...(folders.get(folder) ?? []), ...inner]);
  }
  return folders;
}

test("no default exports and no barrels", () => {
  const offences: string[] = [];
  for (const { path, text } of ownSources) {
    const code = withoutComments(text);
    if (/^export default\b/m.test(code)) offences.push(`${path}: default export`);
    const isBarrel = /^export\b[^;=]*?\bfrom\s*"/m.test(code) || basename(path) === "index.ts";
    if (isBarrel && !MAY_REEXPORT.has(path)) offences.push(`${path}: barrel`);
  }
  assertNone(offences, "exports");
});

test("files are short nouns in kebab-case that say what they own", () => {
  const offences: string[] = [];
  for (const { path, text } of ownSources) {
    const name = basename(path).replace(/(\.(test|fixture))?\.ts$/, "");
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) offences.push(`${path}: name`);
    // A unit test's subject says what both are about.
    const isUnitTest = path.startsWith("src/") && path.endsWith(".test.ts");
    if (!isUnitTest && !/^(#!.*\n)?\/\*\*/.test(text))
      offences.push(`${path}: opens without a comment`);
    const lines = text.split("\n").length - 1;
    const linesMax = isForTests(path) ? TEST_LINES_MAX : LINES_MAX;
    if (lines > linesMax && !LONG_FILES.has(path)) offences.push(`${path}: ${lines} lines`);
  }
  assertNone(offences, "files");
  for (const path of LONG_FILES.keys())
    assert(files.includes(path), `${path} is listed, not there`);
});

test("scripts, protocol and Python files open with a comment too", () => {
  assertNone(
    files.filter((path) => {
      if (
        !/^(scripts|cluster|proto|\.ci)\//.test(path) ||
        /\.(ts|md|json|tsv|txt|binpb)$/.test(path)
      ) {
        return false;
      }
      const text = readFileSync(join(root, path), "utf8");
      return !/^(#!.*\n)?\s*(#|\/\/|\/\*|"""|;|--|<!--)/.test(text);
    }),
    "no opening comment",
  );
});

test("the scheduler's core is pure", () => {
  const impure =
    /\basync\b|\bawait\b|\bDate\b|\bMath\.random\b|\bset(Timeout|Interval|Immediate)\b/;
  const isPure = (target: string) => !target.startsWith("node:") || /^node:assert/.test(target);
  assertNone(
    program
      .filter(({ path }) => path.startsWith("src/scheduler/core/") && !isForTests(path))
      .filter(({ text, imports }) => impure.test(withoutComments(text)) || !imports.every(isPure))
      .map(({ path }) => path),
    "clock, chance, promises or I/O",
  );
});

test("nothing lies about unused", () => {
  const imported = new Set(
    sources.flatMap(({ path, imports }) =>
      // A test keeps its fixtures alive, not its subject.
      isForTests(path) ? imports.filter((target) => isForTests(target)) : imports,
    ),
  );
  // A program that another process starts is named by its compiled file.
  const named = (path: string, readers: readonly SourceFile[]) =>
    readers.some(
      (reader) =>
        reader.path !== path && reader.text.includes(`/${basename(path).replace(/\.ts$/, ".js")}`),
    );
  const shipped = sources.filter(({ path }) => !isForTests(path));
  const dead = program
    .map(({ path }) => path)
    .filter((path) => !path.endsWith(".test.ts"))
    .filter((path) => !imported.has(path) && !ENTRY_POINTS.has(path))
    .filter((path) => !named(path, isForTests(path) ? sources : shipped));
  const awaited = [...AWAITED.keys()];
  assertNone(
    dead.filter((path) => !awaited.some((prefix) => path.startsWith(prefix))),
    "files that nothing imports or starts",
  );
  assertNone(
    awaited.filter((prefix) => !dead.some((path) => path.startsWith(prefix))),
    "files listed as awaited that are in use or gone: take them off the list",
  );
});

test("no path of a developer's machine and no registry's address", () => {
  // Written in two pieces, so that this file does not offend.
  const homes = new RegExp(`(^|[\\s"'\`=:(])/(${["work", "root", "home", "Users"].join("|")})/\\w`);
  const texts = /(\.(ts|js|mjs|py|md|json|proto|toml|yml|yaml|sh|txt|tsv)|\/[^./]+|\.npmrc)$/;
  const offences: string[] = [];
  for (const path of files.filter((each) => texts.test(`/${each}`) && !isGenerated(each))) {
    const text = readFileSync(join(root, path), "utf8");
    for (const [i, line] of text.split("\n").entries()) {
      if (homes.test(line)) offences.push(`${path}:${i + 1}: ${line.trim().slice(0, 100)}`);
    }
  }
  assertNone(offences, "absolute paths of a developer's machine");
  const lock = readFileSync(join(root, "package-lock.json"), "utf8");
  assert(!/"resolved": "https?:/.test(lock), "package-lock.json names a registry host");
  const settings = readFileSync(join(root, ".npmrc"), "utf8");
  assert(!/registry *=|_authToken/.test(settings), ".npmrc names a registry");
});
