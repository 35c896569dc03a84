/*
The local store under what should not happen: processes killed at any moment, a disk that is full or cannot be written to, flipped bits, two processes
doing the same, garbage collected while others rely on it. It prints its seed; `TORTURE_SEED` takes one up again, `TORTURE_KILLS` says how many
processes are killed (300), `TORTURE_FLIPS` how many bits are flipped (150), `TORTURE_SECONDS` how long garbage is collected beside builds (30).

    npm run slow:store
*/

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
  closeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLocalStore } from "@firn/backend-local";
import { toHex } from "@firn/hash";
import { Random } from "./random.ts";

const SEED = Number(process.env.TORTURE_SEED ?? Date.now() % 1_000_000);
const KILLS = Number(process.env.TORTURE_KILLS ?? 300);
const FLIPS = Number(process.env.TORTURE_FLIPS ?? 150);
const SECONDS = Number(process.env.TORTURE_SECONDS ?? 30);
const PROCESSES_AT_ONCE = 2;

const random = new Random(SEED);
const base = mkdtempSync(join(tmpdir(), "firn-torture-"));
const trees = join(base, "trees");
const source = join(base, "source");
const log = (text: string) => void process.stdout.write(`${text}\n`);
const script = (name: string) => join(import.meta.dirname, name);
const startOf = (name: string, argv: readonly string[]) => [
  "--disable-warning=ExperimentalWarning",
  script(name),
  ...argv,
];

type Child = { readonly process: ChildProcess; readonly opened: Promise<void>; readonly ended: Promise<string> };

function start(store: string, more: readonly string[] = []): Child {
  const argv = [store, source, trees, String(random.below(2 ** 31)), ...more];
  const child = spawn(process.execPath, startOf("torture-child.ts", argv), { stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    open();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  const ended = new Promise<string>((resolve, reject) => {
    child.on("close", (code, signal) => {
      if (code === 0 || signal === "SIGKILL") resolve(out);
      else reject(new Error(`a child ended with ${code ?? signal}: ${err}\n${out.slice(-2000)}`));
    });
  });
  ended.catch(() => undefined).finally(open);
  return { process: child, opened, ended };
}

function makeTrees(): void {
  for (let i = 0; i < 6; i++) {
    const tree = join(trees, `tree-${i}`);
    for (let folder = 0; folder < 5; folder++) {
      mkdirSync(join(tree, `folder-${folder}`), { recursive: true });
      for (let file = 0; file < 12; file++)
        writeFileSync(
          join(tree, `folder-${folder}`, `file-${file}`),
          `${file % 3 === 0 ? "shared" : i} ${folder} ${file}`,
        );
    }
    writeFileSync(join(tree, "medium"), random.bytes(60_000));
    writeFileSync(join(tree, "large"), Buffer.concat([Buffer.alloc(400_000, "shared by all "), random.bytes(500_000)]));
    chmodSync(join(tree, "medium"), 0o755);
    symlinkSync("large", join(tree, "link"));
  }
}

/** What every store must be after whatever happened to it. */
async function assertSound(dir: string, held: ReadonlyMap<string, string>, nar: boolean): Promise<void> {
  await using store = await openLocalStore(dir, { create: false });
  const { findings } = await store.verify({ nar });
  assert.deepEqual(findings, [], `seed ${SEED}: what verification finds in ${dir}`);
  const roots = new Map(store.roots.listRoots().map(({ name, path }) => [name, path]));
  for (const [name, expected] of held) {
    const path = roots.get(name);
    const info = path && (await store.pathInfos.get(path.hashPart));
    assert.equal(info && `${info.path} ${toHex(info.narSha256)}`, expected, `seed ${SEED}: ${name} was acknowledged`);
  }
}

/** What the words of processes that ran at once leave for certain: roots that one of them was touching last are open. */
function settle(held: Map<string, string>, outputs: readonly string[]): void {
  const touched = new Map<string, number>();
  for (const [index, out] of outputs.entries()) {
    assert.doesNotMatch(out, /^lost /m, `seed ${SEED}: ${out}`);
    for (const line of out.split("\n")) {
      const [word, name, ...rest] = line.split(" ");
      if (word !== "held" && word !== "letting-go") continue;
      const others = touched.has(name) && touched.get(name) !== index;
      touched.set(name, others ? -1 : (touched.get(name) ?? index));
      if (word === "held" && touched.get(name) !== -1) held.set(name, rest.join(" "));
      else held.delete(name);
    }
  }
}

async function kills(): Promise<void> {
  const dir = join(base, "killed");
  await (await openLocalStore(dir)).close();
  const held = new Map<string, string>();
  let words = 0;
  let failed = 0;
  for (let kill = 0; kill < KILLS; ) {
    const children = Array.from({ length: Math.min(PROCESSES_AT_ONCE, KILLS - kill) }, () => start(dir));
    for (const child of children) {
      // One of eight while it opens the store, the others at work.
      const ready = random.below(8) === 0 ? Promise.resolve() : child.opened;
      const delayMs = random.below(700);
      void ready.then(() => setTimeout(() => child.process.kill("SIGKILL"), delayMs));
      kill++;
    }
    const outputs = await Promise.all(children.map(({ ended }) => ended));
    settle(held, outputs);
    words += outputs
      .join("")
      .split("\n")
      .filter((line) => line.startsWith("held")).length;
    for (const line of outputs.join("").split("\n")) {
      if (!line.startsWith("failed")) continue;
      failed++;
      assert.match(line, /^failed (?:busy|storage .*try again|invalid-root)/, `seed ${SEED}`);
    }
    await assertSound(dir, held, kill % 20 === 0 || kill === KILLS);
    if (kill % 20 === 0)
      log(`  ${kill} killed, ${words} roots acknowledged, ${held.size} held now, ${failed} refused (busy)`);
  }
  log(`${KILLS} processes killed: every store sound, nothing acknowledged lost`);
}

async function sameTreeTwice(): Promise<void> {
  for (let round = 0; round < 5; round++) {
    const dir = join(base, `twice-${round}`);
    const children = [
      start(dir, ["4", "import,show"]),
      start(dir, ["4", "import,show"]),
      start(dir, ["4", "import,show"]),
    ];
    const outputs = await Promise.all(children.map(({ ended }) => ended));
    for (const out of outputs) assert.doesNotMatch(out, /^(failed|lost)/m, `seed ${SEED}: ${out}`);
    await assertSound(dir, new Map(), true);
  }
  log("three processes importing and showing the same trees into a new store, five times: sound");
}

async function garbageBesideBuilds(): Promise<void> {
  const dir = join(base, "beside");
  await (await openLocalStore(dir)).close();
  const builders = [start(dir, ["1000000", "rely,rely,import,let-go"]), start(dir, ["1000000", "rely,put,show"])];
  const until = Date.now() + SECONDS * 1000;
  let collections = 0;
  let deleted = 0;
  {
    await using store = await openLocalStore(dir);
    while (Date.now() < until) {
      const { deadPaths } = await store.collectGarbage();
      collections++;
      deleted += deadPaths.length;
      if (builders.some(({ process: child }) => child.exitCode !== null)) break;
    }
  }
  for (const { process: child } of builders) child.kill("SIGKILL");
  const outputs = await Promise.all(builders.map(({ ended }) => ended));
  for (const out of outputs)
    assert.doesNotMatch(
      out,
      /^(?:lost|failed (?!storage .*try again))/m,
      `seed ${SEED}: ${/^(lost|failed).*/m.exec(out)?.[0]}`,
    );
  await assertSound(dir, new Map(), true);
  log(`${collections} collections beside two builders deleted ${deleted} paths: nothing that was promised was lost`);
}

function filesOf(dir: string): string[] {
  return (readdirSync(dir, { recursive: true }) as string[])
    .map((name) => join(dir, name))
    .filter((path) => statSync(path).isFile());
}

async function flips(): Promise<void> {
  const whole = join(base, "source");
  const expected = new Map<string, string>();
  {
    await using store = await openLocalStore(whole);
    for await (const info of store.pathInfos.list()) {
      expected.set(`${info.path}`, toHex(info.narSha256));
      await store.exposer.expose([info.node]);
    }
  }
  const counts = { harmless: 0, found: 0, crashed: 0 };
  for (let flip = 0; flip < FLIPS; flip++) {
    const dir = join(base, "flipped");
    cpSync(whole, dir, { recursive: true, preserveTimestamps: true });
    const file = random.pick([
      join(dir, "index/data.mdb"),
      random.pick(filesOf(join(dir, "packs"))),
      random.pick(filesOf(join(dir, "files"))),
    ]);
    chmodSync(file, 0o644);
    const at = random.below(statSync(file).size);
    const byte = Buffer.alloc(1);
    const fd = openSync(file, "r+");
    readSync(fd, byte, 0, 1, at);
    byte[0] ^= 1 << random.below(8);
    writeSync(fd, byte, 0, 1, at);
    closeSync(fd);
    const where = `seed ${SEED}, flip ${flip}: ${file} at ${at}`;
    const read = spawnSync(process.execPath, startOf("torture-reader.ts", [dir]), {
      encoding: "utf8",
      timeout: 60_000,
    });
    const lines = read.stdout.split("\n").filter((line) => line.includes(" "));
    let failures = read.status === 0 && lines.length === expected.size ? 0 : 1;
    for (const line of lines) {
      const [path, hash] = line.split(" ");
      if (hash === "failed:") failures++;
      else assert.equal(hash, expected.get(path), `${where}: a wrong answer`);
    }
    const verified = spawnSync(process.execPath, startOf("torture-reader.ts", [dir, "verify"]), {
      encoding: "utf8",
      timeout: 60_000,
    });
    const findings = Number(/^findings (\d+)$/m.exec(verified.stdout)?.[1] ?? Number.NaN);
    if (Number.isNaN(findings)) counts.crashed++;
    else if (findings > 0) counts.found++;
    else {
      assert.equal(failures, 0, `${where}: reading fails and verification finds nothing: ${read.stdout}${read.stderr}`);
      counts.harmless++;
    }
    execFileSync("chmod", ["-R", "u+w", dir]);
    rmSync(dir, { recursive: true });
  }
  log(
    `${FLIPS} flipped bits: ${counts.found} found, ${counts.crashed} ended the process that verified, ${counts.harmless} harmless, no wrong answer`,
  );
}

/** A small file system of its own; undefined where this user cannot make one. */
function mountSmall(dir: string, megabytes: number): boolean {
  mkdirSync(dir);
  return spawnSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", dir]).status === 0;
}

async function fullAndReadOnly(): Promise<void> {
  const mounted = join(base, "small");
  if (!mountSmall(mounted, 16)) return log("full and read-only disks: left out, mounting needs root");
  try {
    const dir = join(mounted, "store");
    const held = new Map<string, string>();
    const child = start(dir, ["200", "import,put,put,put,copy"]);
    const out = await child.ended;
    settle(held, [out]);
    const failures = out.split("\n").filter((line) => line.startsWith("failed"));
    assert(failures.length > 0, `seed ${SEED}: the disk did not become full`);
    for (const line of failures) assert.match(line, /full/, `seed ${SEED}`);
    execFileSync("mount", ["-o", "remount,size=200m", mounted]);
    await assertSound(dir, held, true);
    execFileSync("mount", ["-o", "remount,ro", mounted]);
    const read = spawnSync(process.execPath, startOf("torture-reader.ts", [dir]), { encoding: "utf8" });
    assert.match(read.stderr, /read-only|cannot be/, `seed ${SEED}`);
    execFileSync("mount", ["-o", "remount,rw", mounted]);
    await assertSound(dir, held, true);
    log(
      `a full disk: ${failures.length} refusals, ${held.size} acknowledged roots kept; a read-only one: refused; sound afterwards`,
    );
  } finally {
    spawnSync("umount", [mounted]);
  }
}

log(`seed ${SEED} in ${base}`);
let isWell = false;
try {
  makeTrees();
  await (await openLocalStore(source)).close();
  // The source of copies: what a child imports. It is its own source, which is empty then.
  assert.match(await start(source, ["24", "import"]).ended, /^held/m);
  await sameTreeTwice();
  await fullAndReadOnly();
  await garbageBesideBuilds();
  await flips();
  await kills();
  isWell = true;
} finally {
  if (isWell) {
    execFileSync("chmod", ["-R", "u+w", base]);
    rmSync(base, { recursive: true, force: true });
  } else log(`left for a look: ${base} (seed ${SEED})`);
}
