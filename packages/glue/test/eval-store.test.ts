import assert from "node:assert/strict";
import { test } from "node:test";
import { TestEvaluation, type TestOptions } from "./evaluation.ts";

const make = (attrs: string) => `derivation ({ name = "x"; builder = "b"; system = "s"; } // { ${attrs} })`;
const build: NonNullable<TestOptions["realise"]> = ({ outputs }, store) => {
  for (const { path } of outputs)
    store.roots.set(path, { "default.nix": "{ made = 7; }", b: "text", l: { link: "b" } });
};

test("reading an output builds it, with everything it takes, once", () => {
  const evaluation = new TestEvaluation({ realise: build });
  const expression = `let d = ${make(`src = builtins.toFile "s" "t"; dep = ${make('name = "dep";')};`)}; in
    [ (import d).made (builtins.readFile "\${d}/b") (builtins.pathExists "\${d}/c") (builtins.readDir d) ]`;
  assert.deepEqual(evaluation.value(expression), [
    7,
    "text",
    false,
    { "default.nix": "regular", b: "regular", l: "symlink" },
  ]);
  assert.equal(evaluation.requests.length, 1);
  const [{ objects, outputs }] = evaluation.requests;
  assert.deepEqual(
    outputs.map(({ output, path }) => [output, path.slice(44)]),
    [["out", "x"]],
  );
  assert.deepEqual(objects.map(({ path }) => path.slice(44)).sort(), ["dep.drv", "s", "x.drv"]);
});

test("all outputs one access depends on are built at once", () => {
  const evaluation = new TestEvaluation({ realise: build });
  const file = `"\${${make('name = "a";')}}/../\${baseNameOf (${make('name = "b"; outputs = [ "out" "dev" ];')}).dev}/b"`;
  assert.equal(evaluation.value(`builtins.readFile ${file}`), "text");
  assert.deepEqual(
    evaluation.requests.map(({ outputs }) => outputs.map(({ output }) => output).sort()),
    [["dev", "out"]],
  );
});

test("an output that is there is asked for without what makes it", () => {
  const evaluation = new TestEvaluation({ realise: () => undefined });
  const path = evaluation.value(`(${make("")}).outPath`) as string;
  evaluation.storeFiles.roots.set(path, { b: "there" });
  assert.equal(evaluation.value(`builtins.readFile "\${${make("")}}/b"`), "there");
  assert.deepEqual(
    evaluation.requests.map(({ objects }) => objects),
    [[]],
  );
});

test("what is not allowed or cannot be built is an error that names the output", () => {
  const forbidden = new TestEvaluation({ allowImportFromDerivation: false, realise: build });
  assert.throws(
    () => forbidden.value(`import (${make("")})`),
    /^EvalError: cannot build '\/nix\/store\/[^']*-x\.drv\^out' during evaluation because the option 'allow-import-from-derivation' is disabled$/,
  );
  const failing = new TestEvaluation();
  assert.throws(() => failing.value(`import (${make("")})`), { code: "store", message: "the test builds nothing" });
  const gone = "/nix/store/00bgd045z0d4icpbc2yyz4gx48ak44la-x";
  const text = `builtins.appendContext "${gone}" { "${gone}" = { path = true; }; }`;
  assert.throws(() => failing.value(`builtins.readFile (${text})`), { message: `path '${gone}' is not valid` });
});

test("a copy out of an output keeps its references and is made from the store", () => {
  const evaluation = new TestEvaluation({
    realise: (request, store) => {
      build(request, store);
      const path = request.outputs[0].path;
      store.referencesOf.set(path, ["/nix/store/00bgd045z0d4icpbc2yyz4gx48ak44la-dep", path]);
    },
  });
  const copy = `builtins.path { name = "copy"; path = "\${${make("")}}"; filter = p: t: baseNameOf p != "b"; }`;
  const path = evaluation.value(`toString (${copy})`) as string;
  const object = evaluation.pending.get(path);
  assert.ok(object?.kind === "source");
  assert.match(object.hostPath, /^\/nix\/store\/.*-x$/);
  assert.deepEqual(object.included, ["default.nix", "l"]);
  assert.equal(object.references?.length, 2);
  assert.deepEqual(evaluation.value(`builtins.attrNames (builtins.readDir (${copy}))`), ["default.nix", "l"]);
});

test("a filtered source shows what the filter let pass, to readers and to copies of it", () => {
  const evaluation = new TestEvaluation();
  evaluation.files.roots.set("/src", { a: "1", b: "2", d: { c: "3" } });
  const source = `builtins.filterSource (p: t: baseNameOf p != "b") /src`;
  assert.deepEqual(evaluation.value(`builtins.readDir (${source})`), { a: "regular", d: "directory" });
  assert.equal(evaluation.value(`builtins.pathExists (${source} + "/b")`), false);
  assert.throws(() => evaluation.value(`builtins.readFile (${source} + "/b")`), { code: "io" });
  assert.equal(evaluation.value(`builtins.readFile (${source} + "/d/c")`), "3");
  const again = evaluation.value(`toString (builtins.path { name = "src"; path = ${source}; })`);
  assert.equal(again, evaluation.value(`toString (${source})`));
  const seen = evaluation.value(
    `let s = ${source}; in builtins.path { name = "n"; path = s; filter = p: t: builtins.match "/nix/store/.*-src/.*" p != null; }`,
  );
  assert.deepEqual((evaluation.pending.get(seen as string) as { readonly included?: readonly string[] }).included, [
    "a",
    "d",
    "d/c",
  ]);
});

test("builtins.path copies what a link leads to, under the link's name, and checks its hash", () => {
  const evaluation = new TestEvaluation();
  evaluation.files.roots.set("/src", { l: { link: "f" }, f: "x" });
  const path = evaluation.value("builtins.path { path = /src/l; }") as string;
  assert.match(path, /-l$/);
  assert.equal(evaluation.value("builtins.readFile (builtins.path { path = /src/l; })"), "x");
  const zeros = "0".repeat(52);
  assert.throws(
    () => evaluation.value(`builtins.path { path = /src/f; sha256 = "${zeros}"; }`),
    /store path mismatch in \(possibly filtered\) path added from '\/src\/f'/,
  );
});

test("the context of a file in the store is what it names of the store path's references", () => {
  const evaluation = new TestEvaluation();
  const contexts = `let i = builtins.toFile "i" "x"; o = builtins.toFile "o" "see \${i}"; c = f: map baseNameOf (builtins.attrNames (builtins.getContext (builtins.readFile f))); in [ (c i) (map (n: builtins.substring 33 9 n) (c o)) ]`;
  assert.deepEqual(evaluation.value(contexts), [[], ["i"]]);
});

const NIX32 = "16jsqcl9000d252v205p7zvxvzkzhzgfp3ycz5zpqv86fbjf2hgv";

test("fetchers with a hash fetch when somebody reads", () => {
  const evaluation = new TestEvaluation({
    realise: ({ objects }, store) => {
      for (const { path } of objects) store.roots.set(path, { "default.nix": "5" });
    },
  });
  const tarball = `fetchTarball { url = "http://localhost/t.tar"; sha256 = "${NIX32}"; }`;
  const path = evaluation.value(tarball) as string;
  assert.equal(evaluation.requests.length, 0);
  const object = evaluation.pending.get(path);
  assert.deepEqual([object?.kind, (object as { url: string }).url], ["fetch", "http://localhost/t.tar"]);
  assert.equal(evaluation.value(`import (${tarball})`), 5);
  assert.equal(evaluation.requests.length, 1);
  const file = evaluation.value(
    `builtins.fetchurl { url = "http://localhost/a/t.tar"; sha256 = "${NIX32}"; }`,
  ) as string;
  assert.match(file, /-t\.tar$/);
});

test("fetchers without a hash fetch at once", () => {
  const fetched: unknown[] = [];
  const evaluation = new TestEvaluation({
    fetch: (request, store) => {
      fetched.push(request);
      const path = `/nix/store/00bgd045z0d4icpbc2yyz4gx48ak44la-${request.name}`;
      store.roots.set(path, "bytes");
      return path;
    },
  });
  assert.equal(evaluation.value('builtins.readFile (builtins.fetchurl "file:///a/b")'), "bytes");
  assert.match(evaluation.value('fetchTarball "channel:nixos-unstable"') as string, /-source$/);
  assert.deepEqual(fetched, [
    { url: "file:///a/b", name: "b", unpack: false },
    { url: "https://channels.nixos.org/nixos-unstable/nixexprs.tar.xz", name: "source", unpack: true },
  ]);
});

test("arguments of fetchers are checked in Nix's words", () => {
  const evaluation = new TestEvaluation();
  const cases = [
    ["builtins.fetchurl { }", "'url' argument required"],
    ['builtins.fetchurl { url = "x"; hash = ""; }', "unsupported argument 'hash' to 'fetchurl'"],
    [
      'fetchTarball { url = "x"; name = "a b"; }',
      "invalid store path name when fetching URL 'x': name 'a b' contains illegal character ' '. Please change the value for the 'name' attribute passed to 'fetchTarball', so that it can create a valid store path.",
    ],
  ] as const;
  for (const [expression, message] of cases) assert.throws(() => evaluation.value(expression), { message });
});

test("fetchTree is there with its feature, and checks what it is given", () => {
  const evaluation = new TestEvaluation({ features: ["fetch-tree"] });
  const cases = [
    ["{ }", "argument 'type' is missing in call to 'fetchTree'"],
    ['{ type = "file"; owner = -1; }', "negative value given for 'fetchTree' argument 'owner': -1"],
    [
      '{ type = "git"; url = [ ]; }',
      "argument 'url' to 'fetchTree' is a list while a string, Boolean or integer is expected",
    ],
    ['"github:o/r"', "passing a string argument to 'fetchTree' requires the 'flakes' experimental feature"],
    ['{ type = "git"; url = "x"; }', "builtins.fetchTree is not supported yet"],
  ] as const;
  for (const [argument, message] of cases)
    assert.throws(() => evaluation.value(`fetchTree ${argument}`), { message }, argument);
});

test("flake references are builtins of the feature flakes", () => {
  const evaluation = new TestEvaluation({ features: ["flakes"] });
  assert.deepEqual(evaluation.value('builtins.parseFlakeRef "github:o/r/1.0?dir=d"'), {
    dir: "d",
    owner: "o",
    ref: "1.0",
    repo: "r",
    type: "github",
  });
  assert.equal(
    evaluation.value('builtins.flakeRefToString { type = "path"; path = "/a"; lastModified = 1; }'),
    "path:/a?lastModified=1",
  );
  assert.throws(() => evaluation.value('builtins.flakeRefToString { type = "github"; repo = -1; }'), {
    message: "negative value given for flake ref attr repo: -1",
  });
  assert.deepEqual(new TestEvaluation().value("[ (builtins ? parseFlakeRef) (builtins ? fetchTree) ]"), [false, false]);
});
