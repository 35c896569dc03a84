import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, globSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { missing, need } from "../need.ts";

const root = join(import.meta.dirname, "..", "..");
const { findNode, isInstalled } = createRequire(import.meta.url)("../node.cjs");

/** The oldest npm that Firn promises to install with: the one that came with Node 20. */
const NPM = "npm@10.8.2";

const clone = mkdtempSync(join(tmpdir(), "firn-install-"));
after(() => rmSync(clone, { recursive: true, force: true }));

/** The environment of a plain shell: what npm and node:test tell their children is left out. */
function plainEnv(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^npm_|^NODE_TEST_|^NODE_OPTIONS$|^INIT_CWD$/.test(name),
  );
  return Object.fromEntries(kept);
}

/** Skips, with npm's words, when that npm itself cannot be had; what it then does with our lock is no excuse. */
function needOldNpm(): { skip: string } | Record<string, never> {
  const absent = need("npx");
  if (absent.skip !== undefined) return absent;
  const probe = spawnSync("npx", ["-y", NPM, "--version"], { cwd: clone, env: plainEnv(), encoding: "utf8" });
  return probe.status === 0 ? {} : missing(`${NPM} cannot be fetched: ${probe.stderr.trim().split("\n")[0]}`);
}

test(`${NPM} installs from the lock file, and Node 26 is found in what it installed`, needOldNpm(), () => {
  const copied = [
    "package.json",
    "package-lock.json",
    ".npmrc",
    "dev/node.cjs",
    ...globSync("packages/*/package.json", { cwd: root }),
  ];
  for (const file of copied) {
    mkdirSync(join(clone, dirname(file)), { recursive: true });
    copyFileSync(join(root, file), join(clone, file));
  }
  assert.equal(isInstalled(clone, false), false);

  const installed = spawnSync("npx", ["-y", NPM, "ci", "--ignore-scripts"], {
    cwd: clone,
    env: plainEnv(),
    encoding: "utf8",
  });
  assert.equal(installed.status, 0, installed.stderr);
  assert.equal(isInstalled(clone, true), true);

  const node: string = findNode(clone);
  assert.ok(node.startsWith(clone), node);
  const version = spawnSync(node, ["--version"], { encoding: "utf8" });
  assert.match(version.stdout, /^v26\./);
});
