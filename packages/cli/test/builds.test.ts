import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { need, onPath } from "../../../dev/need.ts";
import { type Firn, makeFirn } from "./firn.ts";

const sandboxed = need("bwrap");

/** A graph of two: `object` is the source without its comment, `program` says it twice. */
const GRAPH = {
  recipes: {
    program: {
      argv: ["/bin/sh", "-c", "echo linking; read x < /in/object; echo $x $x > /made/program"],
      inputs: { "in/object": { recipe: "object", output: "made/object" } },
      outputs: ["made/program"],
    },
    object: {
      argv: ["/bin/sh", "-c", "read x < /src/text; echo ${x%%#*} > /made/object"],
      inputs: { "src/text": "text" },
      outputs: ["made/object"],
    },
  },
};

type Shown = { readonly id: string; readonly status: string; readonly reused: boolean; readonly outputs: object };

async function runGraph(firn: Firn, text: string, ...flags: string[]): Promise<Record<string, Shown>> {
  writeFileSync(join(firn.directory, "text"), text);
  writeFileSync(join(firn.directory, "graph.json"), JSON.stringify(GRAPH));
  const { code, out, err } = await firn.run(["recipe", "run", "graph.json", "--json", ...flags]);
  assert.equal(code, 0, err);
  return (JSON.parse(out) as { recipes: Record<string, Shown> }).recipes;
}

test(
  "recipes are executed again only when what they use changed, and results are written out",
  sandboxed,
  async (t) => {
    const firn = makeFirn(t);
    const first = await runGraph(firn, "word # one\n", "--out", "made-here");
    assert.deepEqual([first.object.reused, first.program.reused], [false, false]);
    assert.equal(readFileSync(join(firn.directory, "made-here/made/program"), "utf8"), "word word\n");
    assert.ok(!existsSync(join(firn.directory, "made-here/made/object")), "others need it, so it is no result");
    const second = await runGraph(firn, "word # another\n");
    assert.deepEqual([second.object.reused, second.program.reused], [false, true]);
    assert.equal(second.program.id, first.program.id);
    const third = await runGraph(firn, "other\n", "--out", "made-here");
    assert.deepEqual([third.object.reused, third.program.reused], [false, false]);
    assert.equal(readFileSync(join(firn.directory, "made-here/made/program"), "utf8"), "other other\n");
    const forced = await runGraph(firn, "other\n", "--no-reuse");
    assert.deepEqual([forced.object.reused, forced.program.reused], [false, false]);
    assert.deepEqual(forced.program.outputs, third.program.outputs);

    const { out } = await firn.run(["builds", "list", "--label", "program", "--json"]);
    const ids = (JSON.parse(out) as { attempts: Shown[] }).attempts.map(({ id }) => id);
    assert.deepEqual(ids, [forced.program.id, third.program.id, first.program.id]);
    const same = await firn.run(["builds", "compare", forced.program.id, third.program.id]);
    assert.deepEqual([same.code, same.out], [0, ""]);
    const differ = await firn.run(["builds", "compare", first.program.id, "program"]);
    assert.deepEqual(
      [differ.code, differ.out.split("\n")[0]],
      [1, "~ made/program (file of 10 bytes -> file of 12 bytes)"],
    );
    assert.equal((await firn.run(["builds", "log", "program"])).out, "linking\n");
    const rerun = await firn.run(["builds", "rerun", "--json", "program"]);
    assert.equal(rerun.code, 0, rerun.err);
    assert.notEqual((JSON.parse(rerun.out) as Shown).id, forced.program.id);
  },
);

test("a failure is shown with its log, recorded, and fails the command", sandboxed, async (t) => {
  const firn = makeFirn(t);
  writeFileSync(
    join(firn.directory, "bad.toml"),
    'argv = ["/bin/sh", "-c", "echo the reason; exit 3"]\noutputs = ["made/out"]\n',
  );
  const { code, err } = await firn.run(["recipe", "run", "bad.toml"]);
  assert.equal(code, 100);
  assert.match(err, /the reason\n/);
  assert.match(err, /failed with exit code 3/);
  const { out } = await firn.run(["builds", "show", "recipe", "--json"]);
  assert.deepEqual((JSON.parse(out) as { end: object }).end, { reason: "exit-code", code: 3 });
});

test("another process follows a running build of a derivation, and cancels it", sandboxed, async (t) => {
  const firn = makeFirn(t);
  const script = "echo begun; read nothing < /build/fifo";
  writeFileSync(
    join(firn.directory, "default.nix"),
    `derivation { name = "waits"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "mkfifo /build/fifo; ${script}" ]; }`,
  );
  const building = firn.run(["build"]);
  let running = "[]";
  while (!running.includes("waits"))
    running = (await firn.run(["builds", "list", "--status", "running", "--json"])).out;
  const following = firn.run(["builds", "log", "-f", "waits"]);
  const cancelled = await firn.run(["builds", "cancel", "waits"]);
  assert.match(cancelled.out, /failed .* waits {2}was cancelled/);
  const built = await building;
  assert.notEqual(built.code, 0);
  assert.match(built.err, /was cancelled/);
  assert.equal((await following).code, 0);
  const [drvPath] = /\/nix\/store\/[^']*\.drv/.exec(built.err) ?? [""];
  assert.equal((await firn.run(["log", drvPath])).out, "begun\n");
});

test("outputs say which of the needles of a recipe occur in them, whatever these are called", sandboxed, async (t) => {
  const firn = makeFirn(t);
  const run = async (needles: Record<string, string>, ...flags: string[]) => {
    const script = "echo the:left/word > /made/a; ln -s ../the:right /made/b; echo the:left the:right > /made/c";
    const recipe = { argv: ["/bin/sh", "-c", script], outputs: ["made/a", "made/b", "made/c"], needles };
    // Its own tools are none of the recipe's business here.
    writeFileSync(join(firn.directory, "one.json"), JSON.stringify(recipe).replace("ln -s", "/tools/busybox ln -s"));
    return await firn.run(["recipe", "run", "one.json", "--sandbox-path", `/tools=${firn.directory}`, ...flags]);
  };
  copyFileSync(onPath("busybox") as string, join(firn.directory, "busybox"));
  const first = await run({ right: "the:right", left: "the:left", none: "the:other" }, "--json");
  assert.equal(first.code, 0, first.err);
  const { references, id } = JSON.parse(first.out).recipes.recipe;
  assert.deepEqual(references, { "made/a": ["left"], "made/b": ["right"], "made/c": ["right", "left"] });
  const second = await run({ l: "the:left", other: "the:other", r: "the:right", again: "the:right" }, "--json");
  const renamed = JSON.parse(second.out).recipes.recipe;
  assert.deepEqual([renamed.id, renamed.reused], [id, true], "names are no part of the recipe");
  assert.deepEqual(renamed.references["made/b"], ["r", "again"]);
  const { out } = await run({ l: "the:left", o: "the:other", r: "the:right" });
  assert.deepEqual(
    out
      .trimEnd()
      .split("\n")
      .map((line) => line.split("  ").slice(3).join()),
    ["refers to l", "refers to r", "refers to l, r"],
  );
});

describe("bad recipe files are refused with the place", () => {
  const cases: [what: string, file: string, contents: string, message: RegExp][] = [
    ["no JSON", "a.json", "{", /no recipe file/],
    ["no recipe", "a.json", "{}", /expected one recipe, or `recipes` by name/],
    [
      "an unknown field",
      "a.json",
      '{"argv": ["/x"], "outputs": ["a/b"], "cwd": "x"}',
      /no field 'cwd'; there are inputs/,
    ],
    ["a wrong kind", "a.json", '{"argv": "/x", "outputs": ["a/b"]}', /a\.json: argv: expected a list/],
    ["a needed field", "a.json", '{"argv": ["/x"]}', /expected a field 'outputs'/],
    [
      "a circle",
      "a.json",
      '{"recipes": {"a": {"argv": ["/x"], "outputs": ["a/b"], "inputs": {"i": {"recipe": "a", "output": "a/b"}}}}}',
      /'a' needs itself/,
    ],
    [
      "a recipe that is not there",
      "a.json",
      '{"recipes": {"a": {"argv": ["/x"], "outputs": ["a/b"], "inputs": {"i": {"recipe": "b", "output": "o"}}}}}',
      /needs 'b', which is not in the file/,
    ],
    [
      "a host path that is not there",
      "a.toml",
      'argv = ["/x"]\noutputs = ["a/b"]\ninputs = { i = "nowhere" }',
      /nowhere/,
    ],
    ["an empty needle", "a.toml", 'argv = ["/x"]\noutputs = ["a/b"]\nneedles = { x = "" }', /a needle of 0 bytes/],
    ["a path that leaves the sandbox", "a.toml", 'argv = ["/x"]\noutputs = ["../b"]', /must be relative/],
  ];
  for (const [what, file, contents, message] of cases) {
    test(what, async (t) => {
      const firn = makeFirn(t);
      mkdirSync(firn.directory, { recursive: true });
      writeFileSync(join(firn.directory, file), contents);
      const { code, err } = await firn.run(["recipe", "run", file]);
      assert.ok(code === 1 || code === 2, `${code}`);
      assert.match(err, message);
    });
  }
});

test("builds that are not known are told apart from those that are not clear", async (t) => {
  const firn = makeFirn(t);
  const { code, err } = await firn.run(["builds", "show", "nothing"]);
  assert.equal(code, 1);
  assert.match(err, /no build 'nothing' is known/);
  assert.equal((await firn.run(["builds", "list", "--status", "odd"])).code, 2);
  assert.equal((await firn.run(["builds", "list", "--json"])).out, '{"attempts":[]}\n');
});
