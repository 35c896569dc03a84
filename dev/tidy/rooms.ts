/*
Who may import whom. The table is the drawing in ARCHITECTURE.md: what is not drawn is forbidden, and directions are
transitive. Also which rooms stay free of Node, so that they run in a browser.
*/

import { type Finding, lineAt, type Source, type Tree } from "./tree.ts";

/** Rooms each room may import directly; what those may import, it may as well. */
const DIRECTIONS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  hash: ["base"],
  "nix-compat": ["hash"],
  compression: ["base"],
  syntax: ["base"],
  eval: ["syntax", "hash"],
  castore: ["hash"],
  store: ["castore", "nix-compat"],
  build: ["castore"],
  sandbox: ["build"],
  glue: ["store", "build", "eval"],
  "backend-local": ["store", "build"],
  "backend-sqlite": ["store", "build"],
  "backend-objects": ["castore"],
  "backend-http-cache": ["store", "compression"],
  "backend-nix-daemon": ["store"],
  "backend-castore-http": ["store"],
  gateway: ["store", "compression"],
  protocol: ["store", "build"],
  cli: [
    "glue",
    "gateway",
    "sandbox",
    "protocol",
    "backend-castore-http",
    "backend-http-cache",
    "backend-nix-daemon",
    "backend-local",
    "backend-sqlite",
    "backend-objects",
  ],
};

/** Rooms that import no Node module and use no Node global. */
const NODE_FREE = new Set([
  "base",
  "hash",
  "nix-compat",
  "syntax",
  "eval",
  "castore",
  "store",
  "build",
  "glue",
  "protocol",
]);

/** Files of such a room that may after all: sub-paths that register a faster implementation. */
const NODE_SUBPATH = /^packages\/(?:hash|protocol)\/src\/node(?:\/|\.ts$)/;

/** All rooms that `room` may import. */
export function reachable(room: string, seen = new Set<string>()): Set<string> {
  for (const next of DIRECTIONS[room] ?? []) {
    if (seen.has(next)) continue;
    seen.add(next);
    reachable(next, seen);
  }
  return seen;
}

/** Rooms are known, and import only downwards, by package name, and Node only where Node may be. */
export function checkRooms(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  for (const source of tree.sources) {
    const { room, path } = source;
    if (room !== undefined && !seen.has(room) && DIRECTIONS[room] === undefined) {
      findings.push({ path, line: 1, message: `the room ${room} is not in the table of dev/tidy/rooms.ts` });
    }
    if (room !== undefined) seen.add(room);
    for (const { specifier, from } of source.imports) {
      const message = specifier.startsWith(".") ? judgeRelative(source, specifier) : judgePackage(source, specifier);
      if (message !== undefined) findings.push({ path, line: lineAt(source.text, from), message });
    }
  }
  return findings;
}

/** Whether the file must do without Node. Tests run in Node whatever their room is. */
export function isNodeFree(source: Source): boolean {
  return source.room !== undefined && NODE_FREE.has(source.room) && !source.isTest && !NODE_SUBPATH.test(source.path);
}

function judgePackage(source: Source, specifier: string): string | undefined {
  if (specifier.startsWith("node:") || specifier === "@firn/hash/node") {
    if (!isNodeFree(source)) return undefined;
    return `${source.room} runs in browsers: no ${specifier} here, take what you need through an interface`;
  }
  const [, target] = /^@firn\/([^/]+)/.exec(specifier) ?? [];
  if (target === undefined || source.room === undefined) return undefined;
  if (target === source.room) return source.isTest ? undefined : `import the file, not ${specifier}, inside a package`;
  if (source.isTest || reachable(source.room).has(target)) return undefined;
  return `${source.room} may not import ${target}: see the drawing in ARCHITECTURE.md`;
}

/** A relative import stays in its room; a test may also use dev/ and the contract suites other rooms keep in test/ or contract/. */
function judgeRelative(source: Source, specifier: string): string | undefined {
  if (source.room === undefined) return undefined;
  const target = resolveRelative(source.path, specifier);
  if (target.startsWith(`packages/${source.room}/`)) {
    if (!source.isTest && /\/(?:test|contract)\//.test(target)) return "sources do not import tests";
    if (!source.isTest && target.endsWith("/src/index.ts")) return "import the file, not the index, inside a package";
    return undefined;
  }
  if (source.isTest && /^(?:dev\/|conformance\/|packages\/[^/]+\/(?:test|contract)\/)/.test(target)) return undefined;
  return `${specifier} leaves the room: import the package by its name`;
}

/** Path relative to the root of what `specifier` names in the file at `path`. */
export function resolveRelative(path: string, specifier: string): string {
  return new URL(specifier, `file:///${path}`).pathname.slice(1);
}
