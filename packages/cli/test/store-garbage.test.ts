/* firn store gc, roots and verify from end to end. */

import assert from "node:assert/strict";
import {
  closeSync,
  cpSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { need, onPath } from "../../../dev/need.ts";
import { Random } from "../../backend-local/test/random.ts";
import { makeFirn } from "./firn.ts";
import { garbageBesideBuilds } from "./garbage-beside-builds.ts";

describe("firn store gc and roots", () => {
  const firn = makeFirn({ after });
  const at = (name: string) => join(firn.directory, name);
  const add = async (name: string) => {
    writeFileSync(at(name), `contents of ${name}`);
    return (await firn.run(["store", "add", name])).out.trim();
  };
  const has = async (path: string) => (await firn.run(["store", "cat", path])).code === 0;

  test("what a root holds stays, the rest goes, and a dry run says so before", async () => {
    const kept = await add("kept");
    const gone = await add("gone");
    assert.equal((await firn.run(["store", "roots", "add", "mine", kept])).code, 0);
    assert.equal((await firn.run(["store", "roots"])).out, `mine -> ${kept}\n`);
    const dry = await firn.run(["store", "gc", "--dry-run"]);
    assert.equal(dry.out, `${gone}\n`);
    assert.match(dry.err, /^1 store path would be deleted, \d+ B freed, 1 kept\n$/);
    assert(await has(gone));
    assert.match((await firn.run(["store", "gc"])).out, /^1 store path deleted, \d+ B freed, 1 kept\n$/);
    assert.deepEqual([await has(kept), await has(gone)], [true, false]);
  });

  test("roots are listed for machines, and removed by name or by link", async () => {
    const path = await add("linked");
    symlinkSync(path, at("result"));
    const compat = join(import.meta.dirname, "../src/compat/main-nix-store.ts");
    const { spawnSync } = await import("node:child_process");
    const env = { PATH: process.env.PATH, HOME: firn.directory, FIRN_HOME: at("state") };
    spawnSync(process.execPath, [compat, "--realise", "--add-root", at("result"), path], { env });
    const rows = JSON.parse((await firn.run(["store", "roots", "list", "--json"])).out);
    assert(rows.some((row: { link?: string; path: string }) => row.link === at("result") && row.path === path));
    assert.equal((await firn.run(["store", "roots", "remove", "result", "mine"])).code, 0);
    assert.equal((await firn.run(["store", "roots"])).out, "");
    assert.match((await firn.run(["store", "roots", "remove", "mine"])).err, /there is no root 'mine'/);
    const { out } = await firn.run(["store", "gc", "--json"]);
    assert.equal(JSON.parse(out).livePaths, 0);
  });

  test("new paths stay with --keep-newer-than, and --max-freed stops", async () => {
    const [one, two] = [await add("one"), await add("two")];
    assert.match((await firn.run(["store", "gc", "--keep-newer-than", "1h"])).out, /^0 store paths deleted/);
    assert.match((await firn.run(["store", "gc", "--max-freed", "1"])).out, /^1 store path deleted/);
    assert.equal(Number(await has(one)) + Number(await has(two)), 1);
  });

  for (const [argv, said] of [
    [["gc", "--older-than", "soon"], /takes an age such as 30d/],
    [["gc", "--max-freed", "much"], /takes a size such as 500M/],
    [["roots", "add", "x"], /takes 'list', 'add NAME PATH' or 'remove NAME…'/],
    [["roots", "clean"], /takes 'list'/],
  ] as const) {
    test(`firn store ${argv.join(" ")} is wrong usage`, async () => {
      const { code, err } = await firn.run(["store", ...argv]);
      assert.equal(code, 2);
      assert.match(err, said);
    });
  }
});

describe("garbage beside builds", onPath("bwrap") === undefined ? need("unshare") : {}, () => {
  test("nothing in use is lost, and every build ends well", async (t) => {
    const seed = Date.now() % 1_000_000;
    t.diagnostic(`seed ${seed}`);
    const random = new Random(seed);
    const { collections } = await garbageBesideBuilds(
      makeFirn(t),
      2,
      (builds) => builds >= 3,
      (below) => random.below(below),
    );
    assert(collections > 1, `${collections} collections`);
  });
});

describe("firn store verify", () => {
  const firn = makeFirn({ after });
  const at = (name: string) => join(firn.directory, name);

  before(async () => {
    mkdirSync(at("tree"));
    writeFileSync(at("tree/large"), Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 2_654_435_761) >>> 13)));
    writeFileSync(at("tree/small"), "small");
    assert.equal((await firn.run(["store", "add", "tree"])).code, 0);
    cpSync(at("state"), at("backup"), { recursive: true });
  });

  test("says what it looked at, and that nothing is wrong", async () => {
    const { code, out, err } = await firn.run(["store", "verify", "--nar"]);
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, /^checked 1 path, 1 directory, 2 blobs, \d chunks?, 0 files: no damage\n$/);
  });

  test("finds a flipped byte, and mends it from another store", async () => {
    const packs = at("state/store/packs");
    const file = openSync(join(packs, readdirSync(packs)[0]), "r+");
    writeSync(file, Buffer.from("flip"), 0, 4, fstatSync(file).size >> 1);
    closeSync(file);
    const found = await firn.run(["store", "verify"]);
    assert.equal(found.code, 1);
    assert.match(found.out, /^chunk [0-9a-f]{64}: .*damaged.*\n(?:.*\n)*checked .*: \d findings?\n$/);
    const json = JSON.parse((await firn.run(["store", "verify", "--json", "--nar"])).out);
    assert(json.findings.some(({ kind }: { kind: string }) => kind === "nar"));
    const mended = await firn.run(["store", "verify", "--repair-from", at("backup")]);
    assert.equal(mended.code, 0, mended.out);
    assert.match(mended.out, /^repaired: chunk /);
    assert.equal((await firn.run(["store", "verify", "--nar"])).code, 0);
  });

  test("an index that cannot be read is a finding", async () => {
    cpSync(at("state"), at("broken"), { recursive: true });
    writeFileSync(at("broken/store/index/data.mdb"), Buffer.alloc(300_000, 0xa5));
    rmSync(at("broken/store/index/lock.mdb"));
    const { code, out } = await firn.run(["store", "verify"], { env: { FIRN_HOME: at("broken") } });
    assert.equal(code, 1);
    assert.match(out, /^the store's index: .*\nchecked 0 paths/);
  });

  test("there must be a store", async () => {
    const { code, err } = await firn.run(["store", "verify"], { env: { FIRN_HOME: at("none") } });
    assert.equal(code, 1);
    assert.match(err, /there is no store at/);
    assert.equal(existsSync(at("none")), false);
  });
});
