/* firn store add, ls, cat and dump from end to end, nix-store being the judge where it is there. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { need } from "../../../dev/need.ts";
import { makeFirn } from "./firn.ts";

/** Odd things a store must hold: empty and executable files, links that lead nowhere, names of any bytes, order by bytes. */
function makeTree(path: string): void {
  mkdirSync(join(path, "empty"), { recursive: true });
  mkdirSync(join(path, "a b", "deep", "er"), { recursive: true });
  writeFileSync(join(path, "none"), "");
  writeFileSync(join(path, "plain"), "plain\n");
  writeFileSync(join(path, "run me"), "#!/bin/sh\n");
  chmodSync(join(path, "run me"), 0o755);
  writeFileSync(join(path, "big"), Buffer.alloc(300_001, 7));
  writeFileSync(join(path, "a b", "deep", "er", "x"), Buffer.from([0, 255, 10, 13, 128]));
  symlinkSync("../nowhere", join(path, "link"));
  writeFileSync(Buffer.concat([Buffer.from(`${path}/`), Buffer.from([0x66, 0xff, 0xfe])]), "no utf-8");
  writeFileSync(join(path, "é"), "accent");
  writeFileSync(join(path, "Z"), "before a");
}

describe("firn store", () => {
  const firn = makeFirn({ after });
  let storePath: string;

  before(async () => {
    makeTree(join(firn.directory, "tree"));
    const { code, out, err } = await firn.run(["store", "add", "tree"]);
    assert.equal(err, "");
    assert.equal(code, 0);
    storePath = out.trim();
  });

  test("add prints a store path, the same one each time", async () => {
    assert.match(storePath, /^\/nix\/store\/[0-9a-z]{32}-tree$/);
    assert.equal((await firn.run(["store", "add", "./tree/"])).out, `${storePath}\n`);
  });

  test("add --json names hash and size", async () => {
    const { out } = await firn.run(["store", "add", "--json", "tree/plain"]);
    const [row] = JSON.parse(out);
    assert.deepEqual(Object.keys(row), ["path", "narHash", "narSize"]);
    assert.match(row.narHash, /^sha256-/);
    assert.equal(row.narSize, 120);
  });

  test("add computes the path that nix-store --add computes", need("nix-store"), async () => {
    const env = { ...process.env, NIX_REMOTE: `local?root=${join(firn.directory, "nix")}` };
    const nix = execFileSync("nix-store", ["--add", join(firn.directory, "tree")], { env, encoding: "utf8" });
    assert.equal(storePath, nix.trim());
  });

  test("add --name and NIX_STORE_DIR change the path", async () => {
    const named = await firn.run(["store", "add", "--name", "other", "tree/plain"]);
    assert.match(named.out, /^\/nix\/store\/[0-9a-z]{32}-other\n$/);
    const env = { NIX_STORE_DIR: "/gnu/store", FIRN_HOME: join(firn.directory, "other-state") };
    assert.match((await firn.run(["store", "add", "tree/plain"], { env })).out, /^\/gnu\/store\/[0-9a-z]{32}-plain\n$/);
  });

  for (const inside of ["", "/a b", "/plain", "/run me", "/link", "/empty", "/big"]) {
    test(`dump of the tree's ${inside || "root"} equals nix-store --dump`, need("nix-store"), async () => {
      const expected = execFileSync("nix-store", ["--dump", join(firn.directory, "tree", inside)], {
        maxBuffer: 1 << 24,
      });
      const { stdout, code } = await firn.run(["store", "dump", storePath + inside]);
      assert.equal(code, 0);
      assert(stdout.equals(expected));
    });
  }

  test("cat yields exact bytes", async () => {
    const { stdout } = await firn.run(["store", "cat", `${storePath}/a b/deep/er/x`]);
    assert.deepEqual([...stdout], [0, 255, 10, 13, 128]);
  });

  test("ls lists names in the order of their bytes, whatever they are", async () => {
    const { stdout } = await firn.run(["store", "ls", storePath]);
    const names = stdout.toString("latin1").split("\n");
    assert.deepEqual(names, [
      "Z",
      "a b",
      "big",
      "empty",
      "f\xff\xfe",
      "link",
      "none",
      "plain",
      "run me",
      "\xc3\xa9",
      "",
    ]);
  });

  test("ls -lR shows kinds, sizes, targets and what is below", async () => {
    const { stdout } = await firn.run(["store", "ls", "-lR", storePath]);
    const lines = stdout.toString("latin1").split("\n");
    assert(lines.includes("lrwxrwxrwx                    0 ./link -> ../nowhere"));
    assert(lines.includes("-r-xr-xr-x                   10 ./run me"));
    assert(lines.includes("-r--r--r--                    5 ./a b/deep/er/x"));
    assert(lines.includes("dr-xr-xr-x                    0 ./empty"));
  });

  test("ls --json nests what it was asked for", async () => {
    const one = JSON.parse((await firn.run(["store", "ls", "--json", `${storePath}/a b`])).out);
    assert.deepEqual(Object.keys(one.entries.deep), ["type", "digest"]);
    const all = JSON.parse((await firn.run(["store", "ls", "--json", "-R", `${storePath}/a b/`])).out);
    assert.equal(all.entries.deep.entries.er.entries.x.size, 5);
  });

  const refused: readonly [line: readonly string[], said: RegExp][] = [
    [["store", "add", "absent"], /^error: 'absent' does not exist\n$/],
    [["store", "cat", "/nix/store/00000000000000000000000000000000-x"], /is not in the store/],
    [["store", "cat", "/nix/store/short"], /is not a store path/],
    [["store", "cat", "/etc/passwd"], /is not a path below \/nix\/store/],
    [["store", "ls", "tree"], /no link to a result/],
  ];
  for (const [line, said] of refused) {
    test(`firn ${line.join(" ")} fails with one message`, async () => {
      const { code, out, err } = await firn.run(line);
      assert.equal(code, 1);
      assert.equal(out, "");
      assert.match(err, said);
      assert.equal(err.split("\n").length, 2, err);
    });
  }

  test("what is inside is checked", async () => {
    const cases = [
      [`${storePath}/absent`, /does not exist in/],
      [`${storePath}/plain/x`, /does not exist in/],
      [`${storePath}/../x`, /'\.\.'/],
      [`${storePath}/empty`, /is a directory/],
      [`${storePath}/link`, /is a symlink to '\.\.\/nowhere'/],
    ] as const;
    for (const [path, said] of cases) {
      const { code, err } = await firn.run(["store", "cat", path]);
      assert.equal(code, 1, path);
      assert.match(err, said);
    }
  });

  test("special files are refused by name and nothing is registered", async () => {
    mkdirSync(join(firn.directory, "special"));
    execFileSync("mkfifo", [join(firn.directory, "special", "pipe")]);
    const { code, err } = await firn.run(["store", "add", "special"]);
    assert.equal(code, 1);
    assert.match(err, /special\/pipe is a FIFO/);
  });

  test("a reader that stops reading is no error worth a word", async () => {
    const { code, err } = await firn.run(["store", "dump", storePath], { closeStdout: true });
    assert.equal(err, "");
    assert(code === 0 || code === 141, String(code));
  });

  test("a state directory that holds something else is left alone", async () => {
    mkdirSync(join(firn.directory, "full", "store"), { recursive: true });
    writeFileSync(join(firn.directory, "full", "store", "mine"), "");
    const { code, err } = await firn.run(["store", "add", "tree"], {
      env: { FIRN_HOME: join(firn.directory, "full") },
    });
    assert.equal(code, 1);
    assert.match(err, /^error: .* is no Firn store and not empty/);
  });
});
