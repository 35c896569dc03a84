/*
The language tests in the source package of Debian's nix, on compat/bin/nix-instantiate. Its runner is simpler than that of later releases
(language.ts): only exit codes and values count, messages do not. Nothing in it differs from what 2.35 does; should a later source have something
that does, it belongs into known-gaps, with the reason.

Starting a program takes longer than a test, so tests that should succeed and need no flags are run together, and one by one when that fails.
*/

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { debianSourceDirectory } from "../dev/debian-source.ts";
import { missing } from "../dev/need.ts";

const ROOT = join(import.meta.dirname, "..");
const PROGRAM = join(ROOT, "compat", "bin", "nix-instantiate");
/** Later releases have them in tests/functional. */
const directory = ["tests", "tests/functional"]
  .map((folder) => join(debianSourceDirectory(ROOT, "nix"), folder))
  .find((folder) => existsSync(join(folder, "lang")));
const names =
  directory === undefined
    ? []
    : readdirSync(join(directory, "lang"))
        .filter((file) => /^(parse|eval)-(okay|fail)-.*\.nix$/.test(file))
        .map((file) => file.slice(0, -".nix".length))
        // One that should have a value and says none is disabled.
        .filter((name) => !name.startsWith("eval-okay") || expectation(name) !== undefined);

type Ended = { readonly code: number | null; readonly out: string; readonly err: string };

function start(args: readonly string[], home: string): Promise<Ended> {
  const env = {
    PATH: process.env.PATH,
    TEST_VAR: "foo",
    NIX_REMOTE: "dummy://",
    NIX_PATH: "lang/dir3:lang/dir4",
    NIX_CONF_DIR: home,
    NIX_USER_CONF_FILES: "",
    FIRN_HOME: home,
    HOME: "/fake-home",
  };
  const child = spawn(PROGRAM, args, { cwd: directory, env, stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("latin1").on("data", (text) => (out += text));
  child.stderr.setEncoding("latin1").on("data", (text) => (err += text));
  return new Promise((done, refuse) => {
    child.on("error", refuse);
    child.on("close", (code) => done({ code, out, err }));
  });
}

class Runs {
  readonly #home: string;
  readonly #batches = new Map<string, string>();
  #free = Math.max(2, availableParallelism());
  readonly #waiting: (() => void)[] = [];

  constructor(home: string) {
    this.#home = home;
  }

  async #nix(...args: string[]): Promise<Ended> {
    if (this.#free === 0) await new Promise<void>((go) => this.#waiting.push(go));
    else this.#free--;
    try {
      return await start(args, this.#home);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }

  /** Evaluates many at once; their values are kept when all of them succeed, a line each. */
  async batch(some: readonly string[]): Promise<void> {
    const { code, out } = await this.#nix("--eval", "--strict", ...some.map((name) => `lang/${name}.nix`));
    const lines = out.split("\n");
    if (code === 0 && lines.length === some.length + 1)
      for (const [n, name] of some.entries()) this.#batches.set(name, `${lines[n]}\n`);
  }

  /** What is wrong with a test; undefined when nothing is. */
  async difference(name: string): Promise<string | undefined> {
    const file = `lang/${name}.nix`;
    const [phase, outcome] = name.split("-");
    if (outcome === "fail") {
      const ended = await this.#nix(phase === "parse" ? "--parse" : "--eval", file);
      return ended.code === 1 ? undefined : `exit code ${ended.code}`;
    }
    if (phase === "parse") {
      const ended = await this.#nix("--parse", file);
      return ended.code === 0 ? undefined : ended.err;
    }
    const { text: expected, isXml } = expectation(name) ?? { text: "", isXml: false };
    const args = [...flagsOf(name), "--eval", "--strict", ...(isXml ? ["--xml", "--no-location"] : []), file];
    const known = this.#batches.get(name);
    const ended = known === undefined ? await this.#nix(...args) : { code: 0, out: known, err: "" };
    if (ended.code !== 0) return ended.err;
    return ended.out === expected ? undefined : `expected ${expected}got ${ended.out}`;
  }
}

function expectation(name: string): { readonly text: string; readonly isXml: boolean } | undefined {
  const plain = textOf(name, ".exp");
  const text = plain ?? textOf(name, ".exp.xml");
  return text === undefined ? undefined : { text, isXml: plain === undefined };
}

function textOf(name: string, suffix: string): string | undefined {
  const path = join(directory ?? "", "lang", name + suffix);
  return existsSync(path) ? readFileSync(path, "latin1") : undefined;
}

function flagsOf(name: string): string[] {
  return (textOf(name, ".flags") ?? "").split(/\s+/).filter((word) => word !== "");
}

const requirement = directory === undefined ? missing("the source of Debian's nix is not here") : {};
describe("the language tests of Debian's nix", { ...requirement, concurrency: true }, () => {
  const home = mkdtempSync(join(tmpdir(), "firn-debian-language-"));
  const runs = new Runs(home);
  before(async () => {
    await start(["--version"], home); // bundles the sources where that is due
    const plain = (name: string) => expectation(name)?.isXml === false && flagsOf(name).length === 0;
    await runs.batch(names.filter((name) => name.startsWith("eval-okay") && plain(name)));
  });
  after(() => rmSync(home, { recursive: true, force: true }));

  test("there are tests of each kind", () => {
    for (const kind of ["parse-okay", "parse-fail", "eval-okay", "eval-fail"])
      assert.ok(names.filter((name) => name.startsWith(kind)).length > 1, kind);
  });

  for (const name of names)
    test(`${name} does what it says`, async () => assert.equal(await runs.difference(name), undefined));
});
