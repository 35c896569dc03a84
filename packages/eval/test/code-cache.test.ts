/* Compiled code kept as bytes: what comes back runs like what was written, lazily, and nothing wrong with it is ever trusted. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { CodeStore } from "../src/code-cache.ts";
import { Evaluator } from "../src/evaluator.ts";
import { deepForce } from "../src/builtins/control.ts";
import { printValue } from "../src/print.ts";
import { PathValue } from "../src/value.ts";
import { EMPTY_IO } from "./test-io.ts";

const SOURCES: Record<string, string> = {
  numbers: "[ 1 (-1) 0.5 9223372036854775807 (2 + 3 * 4 - 5 / 2) (1 < 2) (1.0e3 >= 3.0) ]",
  strings: 'let a = "x\\n"; in [ "${a}y" \'\'\n  two\n    lines ${a}\n\'\' "\\${no}" ]',
  sets: 'rec { a = 1; b.c = a; b.d = b.c; ${"dyn"} = 2; inherit (b) c d; e = { inherit a; } // { f = 1; }; } ',
  functions: "let f = x: y: { a, b ? a + y, ... }@args: [ x y a b (args ? z) ]; in f 1 2 { a = 3; z = 4; }",
  control: 'if !(true && false) -> true || false then assert 1 != 2; with { q = 1; }; q else abort "no"',
  paths: '[ ./a ../b/c /d (./. + "/x") ./e/${"f"}/g ]',
  select: 'let s = { a.b.c = 1; }; n = "b"; in [ s.a.b.c (s.a.x.y or 2) s.a.${n}.c (s ? a.b) (s ? z) ]',
  lists: "builtins.map (x: x * x) ([ 1 2 ] ++ [ 3 ])",
  sources: "let mk = { p = 1; q = 2; }; in [ { inherit (builtins.seq 2 mk) p q; } { inherit (mk) q; } ]",
  positions: 'builtins.unsafeGetAttrPos "a" { a = 1; }',
};

class MapStore implements CodeStore {
  readonly kept = new Map<string, Uint8Array>();
  loads = 0;
  load(key: string): Uint8Array | undefined {
    this.loads++;
    return this.kept.get(key);
  }
  save(key: string, bytes: Uint8Array): void {
    this.kept.set(key, bytes);
  }
}

/** The printed value of a file that holds `source`, read in `folder`. */
function run(source: string, codeStore: CodeStore | undefined, folder = "/src"): string {
  const io = {
    ...EMPTY_IO,
    kindOf: () => "regular" as const,
    readFile: () => source,
  };
  const evaluator = new Evaluator({ io, ...(codeStore === undefined ? {} : { codeStore }) });
  return evaluator.run(() =>
    printValue(deepForce(evaluator.importPath(new PathValue(io.rootTree, `${folder}/x.nix`)))),
  );
}

for (const [name, source] of Object.entries(SOURCES)) {
  test(`${name} come out of the cache as they went in`, () => {
    const store = new MapStore();
    const plain = run(source, undefined);
    assert.equal(run(source, store), plain);
    assert.equal(store.kept.size, 1);
    const before = [...store.kept.values()][0].slice();
    assert.equal(run(source, store), plain);
    assert.deepEqual([...store.kept.values()][0], before, "running does not change what is kept");
  });
}

test("the same code serves a source in another folder", () => {
  const store = new MapStore();
  assert.equal(run("./a", store, "/one"), "/one/a");
  assert.equal(run("./a", store, "/two"), "/two/a");
  assert.equal(store.kept.size, 1);
});

test("every flipped bit and every cut is noticed, and the file is compiled anew", () => {
  const store = new MapStore();
  const source = "let f = x: { a = x; }; in (f 1).a";
  run(source, store);
  const [key, sound] = [...store.kept][0];
  const damaged = [sound.subarray(0, 10), sound.subarray(0, sound.length - 1), new Uint8Array(0)];
  for (let at = 0; at < sound.length; at++) damaged.push(sound.map((byte, n) => (n === at ? byte ^ 4 : byte)));
  for (const bytes of damaged) {
    store.kept.set(key, bytes);
    assert.equal(run(source, store), "1");
    assert.deepEqual(store.kept.get(key), sound, "what was damaged is written again");
  }
});

test("a source that does not pass the static checks is not kept", () => {
  const store = new MapStore();
  assert.throws(() => run("{ a = b; }", store), { code: "undefined-variable" });
  assert.throws(() => run("{ a = 1; a = 2; }", store), { code: "syntax" });
  assert.equal(store.kept.size, 0);
});

test("branches that do not run are not read", () => {
  const store = new MapStore();
  const source = `if true then 1 else { ${Array.from({ length: 50 }, (_, n) => `a${n} = f: f ${n};`).join(" ")} }`;
  assert.equal(run(source, store), "1");
  assert.equal(run(source, store), "1");
  assert.equal(store.loads, 2);
});
