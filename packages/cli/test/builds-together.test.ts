/* The same thing built by several processes at the same time: one does, the others wait for it and see what it says. */

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { need } from "../../../dev/need.ts";
import { type Ended, type Firn, makeFirn } from "./firn.ts";

const sandboxed = need("bwrap");

/** Another line each time it runs, once it may end. */
const script = (out: string) =>
  `echo begun; while ! [ -e /signs/go ]; do sleep 0.05; done; read x < /proc/sys/kernel/random/uuid; echo $x > ${out}`;
const signsOf = (firn: Firn) => join(firn.directory, "signs");
const letGo = (firn: Firn) => writeFileSync(join(signsOf(firn), "go"), "");

function makeFirnWithSigns(t: TestContext): Firn {
  const firn = makeFirn(t);
  mkdirSync(signsOf(firn));
  return firn;
}

type Running = { readonly begun: Promise<void>; readonly ended: Promise<Ended>; readonly child: ChildProcess };

/** Starts a command that prints its builders' logs. */
function start(firn: Firn, args: readonly string[]): Running {
  const begun = Promise.withResolvers<void>();
  let child: ChildProcess | undefined;
  const ended = firn.run([...args, "-L", "--sandbox-path", `/signs=${signsOf(firn)}`], {
    onStart: (started) => {
      child = started;
      started.stderr.on("data", (text: string) => {
        if (text.includes("begun")) begun.resolve();
      });
    },
  });
  void ended.then(({ err }) => begun.reject(new Error(err)));
  return { begun: begun.promise, ended, child: child as unknown as ChildProcess };
}

/** The command run twice, the second time while the first one's builder runs; `meanwhile` happens then. */
async function twice(firn: Firn, args: readonly string[], meanwhile: (first: Running) => void): Promise<Ended[]> {
  const first = start(firn, args);
  await first.begun;
  const second = start(firn, args);
  await second.begun;
  meanwhile(first);
  return Promise.all([first.ended, second.ended]);
}

describe("two processes that build the same thing", sandboxed, () => {
  const recipeFile = (firn: Firn) => {
    const recipe = { argv: ["/bin/sh", "-c", script("/made/id")], outputs: ["made/id"] };
    writeFileSync(join(firn.directory, "recipe.json"), JSON.stringify(recipe));
    return ["recipe", "run", "recipe.json", "--json", "--no-reuse"];
  };
  const attemptOf = ({ code, out, err }: Ended): { id: string; outputs: object } => {
    assert.equal(code, 0, err);
    return JSON.parse(out).recipes.recipe;
  };
  const attempts = async (firn: Firn): Promise<{ id: string; status: string }[]> =>
    JSON.parse((await firn.run(["builds", "list", "--json"])).out).attempts;

  test("make one attempt at a recipe, which both see to its end", async (t) => {
    const firn = makeFirnWithSigns(t);
    const args = recipeFile(firn);
    const [first, second] = (await twice(firn, args, () => letGo(firn))).map(attemptOf);
    assert.equal(first.id, second.id);
    assert.deepEqual(first.outputs, second.outputs);
    assert.deepEqual(
      (await attempts(firn)).map(({ id }) => id),
      [first.id],
    );
    const third = attemptOf(await start(firn, args).ended);
    assert.notEqual(third.id, first.id, "what ended before is built again where that is asked for");
  });

  test("build it in the second when the first is killed", async (t) => {
    const firn = makeFirnWithSigns(t);
    const [first, second] = await twice(firn, recipeFile(firn), ({ child }) => {
      child.kill("SIGKILL");
      letGo(firn);
    });
    assert.equal(first.code, null);
    const { id } = attemptOf(second);
    assert.deepEqual(
      (await attempts(firn)).map((attempt) => `${attempt.id === id} ${attempt.status}`),
      ["true succeeded", "false failed"],
    );
  });

  test("build it in the second when the first is interrupted, and leave the first alone when the second is", async (t) => {
    for (const interrupted of [0, 1]) {
      const firn = makeFirnWithSigns(t);
      const args = recipeFile(firn);
      const first = start(firn, args);
      await first.begun;
      const second = start(firn, args);
      await second.begun;
      const [leaving, staying] = interrupted === 0 ? [first, second] : [second, first];
      leaving.child.kill("SIGINT");
      assert.notEqual((await leaving.ended).code, 0);
      letGo(firn);
      attemptOf(await staying.ended);
    }
  });

  test("register one and the same output of a derivation", async (t) => {
    const firn = makeFirnWithSigns(t);
    const text = JSON.stringify(script("$out")).replaceAll("$", "\\$");
    const expression = `derivation { name = "once"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" ${text} ]; }`;
    writeFileSync(join(firn.directory, "default.nix"), expression);
    const [first, second] = await twice(firn, ["build", "--no-link", "-f", "default.nix"], () => letGo(firn));
    assert.equal(first.code, 0, first.err);
    assert.equal(second.out, first.out, second.err);
    assert.equal((await attempts(firn)).length, 1);
  });
});
