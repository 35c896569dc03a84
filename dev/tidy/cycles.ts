/*
Import cycles, inside a package and between packages. Type-only imports do not count: they are erased, and two types
may well speak of each other. A cycle of values makes the meaning of a module depend on who was loaded first.
*/

import { resolveRelative } from "./rooms.ts";
import type { Finding, Tree } from "./tree.ts";

/** No file reaches itself through imports of values. Each cycle is reported once, at its first file by name. */
export function checkCycles(tree: Tree): Finding[] {
  const edges = new Map<string, string[]>();
  for (const source of tree.sources) {
    const targets: string[] = [];
    for (const { specifier, typeOnly } of source.imports) {
      const target = specifier.startsWith(".") ? resolveRelative(source.path, specifier) : entryOf(specifier);
      if (!typeOnly && target !== undefined) targets.push(target);
    }
    edges.set(source.path, targets);
  }
  const findings: Finding[] = [];
  const done = new Set<string>();
  const trail: string[] = [];
  const walk = (path: string): void => {
    const at = trail.indexOf(path);
    if (at !== -1) {
      const cycle = trail.slice(at);
      const first = [...cycle].sort()[0];
      findings.push({ path: first, line: 1, message: `import cycle: ${[...cycle, path].join(" -> ")}` });
      return;
    }
    if (done.has(path)) return;
    trail.push(path);
    for (const next of edges.get(path) ?? []) walk(next);
    trail.pop();
    done.add(path);
  };
  for (const path of [...edges.keys()].sort()) walk(path);
  return findings;
}

/** The file behind `@firn/room` and `@firn/room/sub`. */
function entryOf(specifier: string): string | undefined {
  const [, room, sub] = /^@firn\/([^/]+)(?:\/(.+))?$/.exec(specifier) ?? [];
  return room === undefined ? undefined : `packages/${room}/src/${sub ?? "index"}.ts`;
}
