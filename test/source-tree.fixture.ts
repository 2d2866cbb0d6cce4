/**
 * The repository's own sources as the tidiness test reads them.
 *
 * Owns: finding files and their imports by plain text. Reads what is in the working tree, ignoring
 * what git ignores by convention (dependencies, builds, caches).
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

export interface SourceFile {
  /** Relative to the repository, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** Relative imports as paths of this kind; packages as written. Types count like values. */
  readonly imports: readonly string[];
}

const IGNORED = /^(node_modules|dist(-.*)?|\..*|__pycache__|coverage)$/;

/** The folder of package.json, above this compiled file wherever it was put. */
export function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** Every file of the repository that is not ignored, relative, with forward slashes. */
export function listFiles(root: string, folder = root): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    // Names with a leading dot are ignored, but for the project's own.
    const isOwn = entry.name === ".ci" || entry.name === ".npmrc" || entry.name === ".gitignore";
    if (IGNORED.test(entry.name) && !isOwn) return [];
    if (entry.isDirectory()) return listFiles(root, path);
    return entry.isFile() ? [relative(root, path).split(sep).join("/")] : [];
  });
}

/** Reads a TypeScript source and its imports, static, dynamic and re-exports alike. */
export function readSource(root: string, path: string): SourceFile {
  const text = readFileSync(join(root, path), "utf8");
  const code = withoutComments(text);
  const specifiers = [
    ...code.matchAll(/^(?:import|export)\b[^"';]*?\bfrom\s*"([^"]+)"/gm),
    ...code.matchAll(/^import\s*"([^"]+)"/gm),
    ...code.matchAll(/\bimport\(\s*"([^"]+)"/g),
  ].map((match) => match[1]!);
  const imports = specifiers.map((specifier) =>
    specifier.startsWith(".") ? join(dirname(path), specifier).split(sep).join("/") : specifier,
  );
  return { path, text, imports: [...new Set(imports)] };
}

/** The text with comments blanked, line for line. Good enough for code that Biome formatted. */
export function withoutComments(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, " "))
    .replace(/(^|\s)\/\/.*$/gm, "$1");
}

/** One cycle among `edges` as the list of its nodes, or undefined. */
export function findCycle(edges: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const visit = (node: string, trail: readonly string[]): string[] | undefined => {
    const at = trail.indexOf(node);
    if (at >= 0) return [...trail.slice(at), node];
    if (done.has(node)) return undefined;
    for (const next of edges.get(node) ?? []) {
      const cycle = visit(next, [...trail, node]);
      if (cycle !== undefined) return cycle;
    }
    done.add(node);
    return undefined;
  };
  for (const node of edges.keys()) {
    const cycle = visit(node, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}
