/* A build tool that is not Nix, in another language, over the command line. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { need } from "../dev/need.ts";

const root = join(import.meta.dirname, "..");

test("examples/not-nix compiles what changed and links only when an object file came out differently", {
  ...need("bwrap"),
  ...need("gcc"),
  ...need("python3"),
}, (t) => {
  const directory = mkdtempSync(join(tmpdir(), "firn-not-nix-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const words = join(directory, "words");
  cpSync(join(root, "examples/not-nix/words"), words, { recursive: true });
  const env = { ...process.env, FIRN: join(root, "firn"), FIRN_HOME: join(directory, "state") };
  const build = () => {
    const said = execFileSync("python3", [join(root, "examples/not-nix/build.py"), words, join(directory, "out")], {
      env,
    });
    return Object.fromEntries(
      said
        .toString()
        .trim()
        .split("\n")
        .map((line) => line.split(/ +/).slice(0, 2).reverse()),
    );
  };
  const edit = (name: string, from: string, to: string) => {
    const file = join(words, name);
    const before = readFileSync(file, "utf8");
    writeFileSync(file, before.replace(from, to));
    assert.notEqual(readFileSync(file, "utf8"), before);
  };
  const program = () => execFileSync(join(directory, "out/program"), ["a few words"]).toString();
  const unchanged = { "count.o": "unchanged", "main.o": "unchanged", "print.o": "unchanged", program: "unchanged" };

  assert.deepEqual(build(), { "count.o": "compiled", "main.o": "compiled", "print.o": "compiled", program: "linked" });
  assert.equal(program(), "3 words: a few words\n");
  assert.deepEqual(build(), unchanged);
  edit("count.c", "Words are what", "A word is what");
  assert.deepEqual(build(), { ...unchanged, "count.o": "compiled" });
  edit("print.c", "%d words", "%d words here");
  assert.deepEqual(build(), { ...unchanged, "print.o": "compiled", program: "linked" });
  assert.equal(program(), "3 words here: a few words\n");
});
