/*
Bundles the command line into CommonJS files under dist/: one for the command, one for each program of compat/bin, one for
each thread of their own (the evaluator's, and that which reads large trees).
One CommonJS file starts in half the time of the ES modules it is made of. Native packages stay outside, they find
their binaries beside themselves.

    node dev/node.cjs dev/bundle.ts [--if-stale]

Freshness: dist/stamp is written last and carries the time at which reading the sources began, so a source changed
meanwhile is newer than it. ./firn asks the same question with find(1); keep the two alike.
*/

import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

/** What is bundled: file below dist/, and the module it starts from. */
export const ENTRIES = [
  { output: "firn.cjs", entry: "packages/cli/src/main.ts" },
  { output: "nix-instantiate.cjs", entry: "packages/cli/src/compat/main-nix-instantiate.ts" },
  { output: "nix-build.cjs", entry: "packages/cli/src/compat/main-nix-build.ts" },
  { output: "nix-shell.cjs", entry: "packages/cli/src/compat/main-nix-shell.ts" },
  { output: "nix-store.cjs", entry: "packages/cli/src/compat/main-nix-store.ts" },
  { output: "nix-collect-garbage.cjs", entry: "packages/cli/src/compat/main-nix-collect-garbage.ts" },
  { output: "nix-hash.cjs", entry: "packages/cli/src/compat/main-nix-hash.ts" },
  { output: "eval-worker.cjs", entry: "packages/cli/src/evaluator/worker.ts" },
  { output: "hash-thread.cjs", entry: "packages/backend-local/src/hash-thread.ts" },
  { output: "tree-thread.cjs", entry: "packages/backend-local/src/tree-thread.ts" },
];

/** Packages that load native code from their own folder. */
const EXTERNAL = ["lmdb", "@napi-rs/blake-hash"];

/** Whether any input of the bundle in the checkout at `root` is newer than the bundle. */
export function isStale(root: string): boolean {
  const stamp = join(root, "dist", "stamp");
  if (!existsSync(stamp) || ENTRIES.some(({ output }) => !existsSync(join(root, "dist", output)))) return true;
  const made = statSync(stamp, { bigint: true }).mtimeNs;
  const isNewer = (path: string): boolean => {
    const stat = statSync(path, { bigint: true });
    if (stat.mtimeNs > made) return true;
    if (!stat.isDirectory()) return false;
    return readdirSync(path).some((name) => name !== "test" && name !== "node_modules" && isNewer(join(path, name)));
  };
  return ["packages", "dev/bundle.ts", "package-lock.json"].some((path) => isNewer(join(root, path)));
}

/** Writes the bundle of the checkout at `root`. Throws when an entry is missing or does not bundle. */
export async function bundle(root: string): Promise<void> {
  for (const { entry } of ENTRIES) {
    if (!existsSync(join(root, entry))) throw new Error(`${entry} is not there, so there is nothing to bundle`);
  }
  const dist = join(root, "dist");
  mkdirSync(dist, { recursive: true });
  const own = join(dist, `.making-${process.pid}`);
  mkdirSync(own);
  try {
    const stamp = join(own, "stamp");
    writeFileSync(stamp, "");
    for (const { output, entry } of ENTRIES) {
      await build({
        absWorkingDir: root,
        entryPoints: [entry],
        outfile: join(own, output),
        bundle: true,
        format: "cjs",
        platform: "node",
        target: "node26",
        external: EXTERNAL,
        define: { __FIRN_BUNDLED__: "true", "import.meta.url": "__firnBundleUrl" },
        banner: { js: 'const __firnBundleUrl = require("node:url").pathToFileURL(__filename).href;' },
        legalComments: "none",
        logLevel: "silent", // what goes wrong is in the error it throws,
      });
      renameSync(join(own, output), join(dist, output));
    }
    renameSync(stamp, join(dist, "stamp"));
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const root = join(import.meta.dirname, "..");
  if (!process.argv.includes("--if-stale") || isStale(root)) {
    try {
      await bundle(root);
    } catch (thrown) {
      process.stderr.write(`bundle: ${(thrown as Error).message}\n`);
      process.exitCode = 1;
    }
  }
}
