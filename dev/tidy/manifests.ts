/*
The package.json files: what a room names is what it imports, every version is exact, and every third-party package has
a page in docs/decisions/ that says why it is there.
*/

import type { Finding, Source, Tree } from "./tree.ts";

type Manifest = {
  readonly name?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
};

/** Every package.json agrees with what is imported beside it. */
export function checkManifests(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  const root = manifestOf(tree, "package.json");
  const decisions = [...tree.texts].filter(([path]) => path.startsWith("docs/decisions/")).map(([, text]) => text);
  for (const path of tree.texts.keys()) {
    const [, room] = /^packages\/([^/]+)\/package\.json$/.exec(path) ?? [];
    if (room === undefined && path !== "package.json") continue;
    const report = (message: string): void => void findings.push({ path, line: 1, message });
    const manifest = manifestOf(tree, path);
    const named = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };
    for (const [name, version] of Object.entries(named)) {
      if (!/^\d/.test(version)) report(`${name}: ${version} is not an exact version`);
      if (name.startsWith("@firn/") || decisions.some((text) => text.includes(`\`${name}\``))) continue;
      report(`${name} has no page in docs/decisions/ that names it`);
    }
    if (room !== undefined) checkRoom(tree, room, manifest, root, report);
  }
  return findings;
}

function checkRoom(tree: Tree, room: string, own: Manifest, root: Manifest, report: (message: string) => void): void {
  if (own.name !== `@firn/${room}`) report(`is named ${own.name}, not @firn/${room}`);
  if (!tree.texts.has(`packages/${room}/README.md`)) report("the room has no README.md");
  const sources = tree.sources.filter((source) => source.room === room);
  const used = packagesOf(sources.filter(({ isTest }) => !isTest));
  const tested = packagesOf(sources.filter(({ isTest }) => isTest));
  const dependencies = new Set(Object.keys(own.dependencies ?? {}));
  const devDependencies = new Set(Object.keys(own.devDependencies ?? {}));
  const shared = new Set(Object.keys(root.devDependencies ?? {}));
  for (const name of used) if (!dependencies.has(name)) report(`imports ${name}: name it in dependencies`);
  for (const name of dependencies) if (!used.has(name)) report(`${name} is in dependencies and never imported`);
  for (const name of tested) {
    if (name === own.name || dependencies.has(name) || devDependencies.has(name) || shared.has(name)) continue;
    report(`a test imports ${name}: name it in devDependencies`);
  }
  for (const name of devDependencies) {
    if (!tested.has(name)) report(`${name} is in devDependencies and no test imports it`);
  }
}

/** Names of the packages that are imported, Node's own left out. */
function packagesOf(sources: readonly Source[]): Set<string> {
  const names = new Set<string>();
  for (const { imports } of sources) {
    for (const { specifier } of imports) {
      if (specifier.startsWith(".") || specifier.startsWith("node:")) continue;
      names.add(specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/"));
    }
  }
  return names;
}

function manifestOf(tree: Tree, path: string): Manifest {
  return JSON.parse(tree.texts.get(path) ?? "{}") as Manifest;
}
