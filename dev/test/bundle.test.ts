import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { bundle, ENTRIES, isStale } from "../bundle.ts";

const root = join(import.meta.dirname, "..", "..");
const scratch = mkdtempSync(join(tmpdir(), "firn-bundle-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const ENTRY = "packages/cli/src/main.ts";
/** All others, empty. */
const OTHERS = Object.fromEntries(
  ENTRIES.map(({ entry }) => [entry, "export {};"]).filter(([entry]) => entry !== ENTRY),
);

/** A checkout holding the given files and this one's packages. */
function checkout(name: string, files: Readonly<Record<string, string>>): string {
  const folder = join(scratch, name);
  for (const [file, text] of Object.entries({ "dev/bundle.ts": "", "package-lock.json": "{}", ...files })) {
    mkdirSync(join(folder, dirname(file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  return folder;
}

test("all entries become CommonJS that knows where it lies and that it is bundled", async () => {
  const folder = checkout("whole", {
    [ENTRY]: `
      import { kind } from "./kind.ts";
      declare const __FIRN_BUNDLED__: boolean;
      process.stdout.write([kind, __FIRN_BUNDLED__, new URL("eval-worker.cjs", import.meta.url).pathname].join(" "));`,
    "packages/cli/src/kind.ts": 'export const kind: string = "main";',
    ...OTHERS,
  });
  assert.equal(isStale(folder), true);
  await bundle(folder);
  assert.equal(isStale(folder), false);
  const expected = [...ENTRIES.map(({ output }) => output), "stamp"];
  assert.deepEqual(readdirSync(join(folder, "dist")).sort(), expected.sort());
  const done = spawnSync(process.execPath, [join(folder, "dist", "firn.cjs")], { encoding: "utf8" });
  assert.equal(done.stdout, `main true ${folder}/dist/eval-worker.cjs`, done.stderr);
});

test("a newer source makes it stale, a newer test does not", async () => {
  const folder = checkout("fresh", { [ENTRY]: "", ...OTHERS, "packages/cli/test/a.test.ts": "" });
  await bundle(folder);
  const later = Date.now() / 1000 + 10;
  utimesSync(join(folder, "packages/cli/test/a.test.ts"), later, later);
  assert.equal(isStale(folder), false);
  utimesSync(join(folder, ENTRY), later, later);
  assert.equal(isStale(folder), true);
});

test("a missing entry is named, and what does not bundle leaves no stamp", async () => {
  await assert.rejects(bundle(checkout("missing", { [ENTRY]: "" })), /main-nix-instantiate\.ts is not there/);
  const broken = checkout("broken", { [ENTRY]: 'import "./nowhere.ts";', ...OTHERS });
  await assert.rejects(bundle(broken), /nowhere/);
  assert.deepEqual(readdirSync(join(broken, "dist")), []);
  assert.equal(existsSync(join(broken, "dist", "stamp")), false);
});
