/* Profiles from end to end: generations made by builds, gone back to, removed by age, and what they hold against collection. */

import assert from "node:assert/strict";
import {
  existsSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { after, describe, test } from "node:test";
import { need, onPath } from "../../../dev/need.ts";
import { makeFirn } from "./firn.ts";

const canBuild = onPath("bwrap") === undefined ? need("unshare") : {};
const saying = (text: string) =>
  `derivation { name = "it"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo ${text} > $out" ]; }`;

describe("profiles", canBuild, () => {
  const firn = makeFirn({ after });
  const at = (name: string) => join(firn.directory, name);
  const tools = at("state/profiles/tools");
  const generation = (number: number) => `${tools}-${number}-link`;
  const install = async (text: string, profile = "tools") => {
    const { code, out, err } = await firn.run(["build", "-E", saying(text), "--profile", profile]);
    assert.equal(code, 0, err);
    return out.trim();
  };
  const has = async (path: string) => (await firn.run(["store", "cat", path])).code === 0;
  /** As if it had been made that many days ago. */
  const age = (link: string, days: number) => {
    const then = Date.now() / 1000 - days * 86_400;
    lutimesSync(link, then, then);
  };
  const paths: string[] = [];

  test("each new result of firn build --profile is a generation, the same one again is none", async () => {
    for (const text of ["one", "two", "two", "three"]) paths.push(await install(text));
    assert.equal(readlinkSync(tools), "tools-3-link");
    assert.equal(readFileSync(tools, "utf8"), "three\n");
    assert.equal(existsSync(generation(4)), false);
    assert.equal(existsSync(at("result")), false);
    const { out } = await firn.run(["profile", "history", "--profile", "tools", "--json"]);
    const rows = JSON.parse(out) as { generation: number; current: boolean; path: string }[];
    assert.deepEqual(
      rows.map((row) => [row.generation, row.current, row.path]),
      [
        [1, false, paths[0]],
        [2, false, paths[1]],
        [3, true, paths[3]],
      ],
    );
  });

  test("one goes back, and to any generation", async () => {
    const rolled = await firn.run(["profile", "rollback", "--profile", "tools"]);
    assert.equal(rolled.out, `${tools} is at generation 2, before 3\n`);
    assert.equal(readFileSync(tools, "utf8"), "two\n");
    await firn.run(["profile", "switch", "1", "--profile", "tools"]);
    assert.equal(readFileSync(tools, "utf8"), "one\n");
    const oldest = await firn.run(["profile", "rollback", "--profile", "tools"]);
    assert.equal(oldest.code, 1);
    assert.match(oldest.err, /cannot be rolled back: generation 1 is the oldest/);
    const none = await firn.run(["profile", "switch", "9", "--profile", "tools"]);
    assert.match(none.err, /has no generation 9; there are 1, 2, 3\n$/);
    assert.equal(readlinkSync(tools), "tools-1-link");
  });

  test("generations hold what they lead to, and links that were put among the profiles do, too", async () => {
    const loose = await install("loose", "loose");
    const loosePath = at("state/profiles/loose");
    unlinkSync(loosePath);
    unlinkSync(`${loosePath}-1-link`);
    symlinkSync(loose, at("state/profiles/by-hand"));
    const { out } = await firn.run(["store", "gc"]);
    assert.match(out, /^0 store paths deleted/);
    const { out: roots } = await firn.run(["store", "roots"]);
    assert(roots.includes(`${at("state/profiles/by-hand")} -> ${loose}\n`), roots);
    assert(roots.includes(`${generation(2)} -> ${paths[1]}\n`), roots);
    unlinkSync(at("state/profiles/by-hand"));
    await firn.run(["store", "gc"]);
    assert.equal(await has(loose), false);
  });

  test("firn store gc --older-than removes generations that were in use at no time since, never the current one", async () => {
    age(generation(1), 50);
    age(generation(2), 40);
    age(generation(3), 20);
    await firn.run(["profile", "switch", "3", "--profile", "tools"]);
    const dry = await firn.run(["store", "gc", "--older-than", "30d", "--dry-run"]);
    assert(dry.out.split("\n").includes(paths[0]), dry.out);
    assert.equal(dry.out.includes(paths[1]), false, "it was in use 30 days ago");
    assert.match(dry.err, /tools-1-link would be removed\n/);
    assert(existsSync(generation(1)));
    const { err } = await firn.run(["store", "gc", "--older-than", "30d"]);
    assert.match(err, /tools-1-link removed\n/);
    assert.deepEqual([await has(paths[0]), await has(paths[1]), await has(paths[3])], [false, true, true]);
  });

  test("a profile may be anywhere, and is known wherever it is", async () => {
    const path = await install("elsewhere", "./mine");
    assert.equal(readFileSync(at("mine"), "utf8"), "elsewhere\n");
    const { out } = await firn.run(["profile", "list", "--json"]);
    assert.deepEqual(JSON.parse(out), [
      { profile: at("mine"), current: 1, generations: 1, path },
      { profile: tools, current: 3, generations: 2, path: paths[3] },
    ]);
  });

  test("nix-collect-garbage -d leaves the current generations of all profiles", () => {
    const main = join(import.meta.dirname, "../src/compat/main-nix-collect-garbage.ts");
    const env = { PATH: process.env.PATH, HOME: firn.directory, FIRN_HOME: at("state") };
    const collect = (...argv: string[]) => spawnSync(process.execPath, [main, ...argv], { env, encoding: "utf8" });
    assert.match(collect("-d", "--dry-run").stderr, /would remove profile version 2 of /);
    const { stdout, status } = collect("-d");
    assert.equal(status, 0);
    assert.match(stdout, /^\d+ store paths deleted, [\d.]+ KiB freed\n$/);
    assert.equal(existsSync(generation(2)), false);
    assert.equal(readFileSync(tools, "utf8"), "three\n");
    for (const [argv, said] of [
      [["--delete-older-than", "soon"], /invalid number of days specifier 'soon', expected something like '14d'/],
      [["--delete-older-than", "0d"], /invalid number of days specifier '0d'\n/],
      [["--delete-older-than"], /'--delete-older-than' requires an argument/],
      [["--dry-run", "--max-freed", "1"], /cannot be combined/],
      [["--max-jobs"], /flag '--max-jobs' requires 1 argument\(s\), but only 0 were given/],
    ] as const) {
      const { status: code, stderr } = collect(...argv);
      assert.equal(code, 1);
      assert.match(stderr, said);
    }
  });

  test("what is no profile is left alone", async () => {
    mkdirSync(at("folder"));
    symlinkSync("/elsewhere", at("other"));
    for (const [profile, said] of [
      ["./folder", /folder' is in the way of a profile: it is no link/],
      ["./other", /other' is a link to \/elsewhere, which is no generation of a profile/],
      ["tools-2-link", /cannot be a profile/],
    ] as const) {
      const { code, err } = await firn.run(["build", "-E", saying("one"), "--profile", profile]);
      assert.notEqual(code, 0);
      assert.match(err, said);
    }
    const two = await firn.run(["build", "-E", `[ (${saying("a")}) (${saying("b")}) ]`, "--profile", "tools"]);
    assert.match(two.err, /a generation of a profile is one result, but there are more: choose one by -A/);
    rmSync(at("other"));
    // A root named as a generation is, with a directory where its profile would be, stops no collection.
    const rooted = await firn.run(["build", "-E", saying("beside"), "--out-link", at("folder-1-link")]);
    assert.equal(rooted.code, 0, rooted.err);
    const { code, err } = await firn.run(["store", "gc", "--older-than", "30d"]);
    assert.equal(code, 0, err);
    assert(existsSync(at("folder-1-link")));
    const none = await firn.run(["profile", "history"]);
    assert.match(none.err, /there is no profile at '.*profiles\/default': `firn build --profile NAME` makes one/);
  });
});
