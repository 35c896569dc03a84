/*
What every BuildService must do, as tests. The builders are functions: a service under test is made over them by whoever runs the suite.
*/

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { byteStringOf } from "@firn/base";
import {
  type Attempt,
  type AttemptEvent,
  BuildError,
  type BuildService,
  type Recipe,
  type SubmitOptions,
} from "@firn/build";
import { type Digest, digestOf, type Node } from "@firn/castore";

/** What a recipe does, by its argv[1]: says things, waits for its signal, and yields the contents of its outputs or how it ends. */
export type ContractBuilder = (
  run: { readonly recipe: Pick<Recipe, "argv">; readonly inputs: readonly string[] },
  log: (text: string) => void,
  signal: AbortSignal,
) => Promise<string | Attempt["end"]>;

export type ContractService = {
  readonly service: BuildService;
  /** How often builders were started. */
  readonly runs: () => readonly string[];
  /** Puts a file into the store. */
  readonly file: (contents: string) => Promise<Node>;
  /** Takes all outputs ever made out of the store. */
  readonly forgetOutputs: () => void;
};

/** `open` makes a service over these builders, by the word that recipes name as their second argument; it runs two at a time. */
export function buildServiceContract(
  name: string,
  open: (builders: Readonly<Record<string, ContractBuilder>>) => ContractService,
): void {
  const recipeOf = (word: string, change: Partial<Recipe> = {}): Recipe => ({
    inputs: [],
    argv: ["/bin/sh", word],
    env: [],
    files: [],
    workingDirectory: "build",
    outputs: ["made/out"],
    constraints: { system: "x86_64-linux", features: [], network: false, shell: true },
    needles: [],
    ...change,
  });
  const needing = (word: string, ...recipes: Digest[]) =>
    recipeOf(word, { inputs: recipes.map((recipe, index) => ({ path: `in/${index}`, recipe, output: 0 })) });
  const one = async (service: BuildService, recipe: Recipe, options?: SubmitOptions) =>
    (await service.submit([{ recipe }], options))[0];
  const all = (service: BuildService, recipes: readonly Recipe[], options?: SubmitOptions) =>
    service.submit(
      recipes.map((recipe) => ({ recipe, label: recipe.argv[1] })),
      options,
    );
  const endOf = async (service: BuildService, id: string): Promise<Attempt> => {
    let last: AttemptEvent | undefined;
    for await (last of service.watch(id));
    assert.ok(last?.type === "ended");
    return last.attempt;
  };
  const reasonOf = async (service: BuildService, id: string) => (await endOf(service, id)).end?.reason;
  const digestOfRecipe = async (service: BuildService, recipe: Recipe) =>
    (await endOf(service, await one(service, recipe))).recipe;
  const copy: ContractBuilder = async ({ inputs }) => inputs.join("+");
  const untilAborted: ContractBuilder = async (_run, _log, signal) => {
    if (!signal.aborted)
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    return { reason: "cancelled" };
  };

  describe(`${name} keeps the contract of a BuildService`, () => {
    test("a success is told with its outputs, its log from any offset, and is remembered", async () => {
      const { service } = open({
        speak: async (_run, log) => {
          log("one\n");
          log("two\n");
          return "made";
        },
      });
      const id = await one(service, recipeOf("speak"));
      for (const from of [0, 2, 8, 20]) {
        const events = await Array.fromAsync(service.watch(id, { from }));
        const log = events.map((event) => (event.type === "log" ? byteStringOf(event.bytes) : "")).join("");
        assert.equal(log, "one\ntwo\n".slice(from));
        assert.equal(events[0].type, "started");
      }
      const attempt = await endOf(service, id);
      assert.equal(attempt.status, "succeeded");
      assert.equal(
        attempt.outputs[0].node.kind === "file" && attempt.outputs[0].node.digest,
        digestOf(Buffer.from("made")),
      );
      assert.equal(attempt.logBytes, 8);
      assert.deepEqual(await service.get(id), attempt);
      assert.deepEqual((await service.list({ recipe: attempt.recipe })).attempts, [attempt]);
      assert.deepEqual(await service.recipe(attempt.recipe), recipeOf("speak"));
      const silent = await Array.fromAsync(service.watch(id, { log: false }));
      assert.deepEqual(
        silent.map(({ type }) => type),
        ["started", "ended"],
      );
    });

    test("a graph is built in the order of its needs, with outputs in the places of recipes", async () => {
      const { service, runs } = open({ base: async () => "base", copy });
      const base = await digestOfRecipe(service, recipeOf("base"));
      const middle = needing("copy", base);
      const id = await one(service, middle);
      const top = needing("copy", base, (await endOf(service, id)).recipe);
      const [a, b, c] = await all(service, [top, middle, recipeOf("base")], { reuse: "never" });
      const made = await Promise.all([a, b, c].map((each) => endOf(service, each)));
      assert.deepEqual(
        made.map(({ status }) => status),
        ["succeeded", "succeeded", "succeeded"],
      );
      const [output] = made[0].outputs;
      assert.equal(output.node.kind === "file" && output.node.digest, digestOf(Buffer.from("base+base")));
      assert.notEqual(made[0].resolved, made[0].recipe);
      assert.equal(runs().length, 5);
      assert.deepEqual(
        (await service.recipe(made[0].resolved as Digest))?.inputs.map((input) => "node" in input),
        [true, true],
      );
    });

    test("an earlier success answers when it may, and not when its outputs are gone or it was refused", async () => {
      const { service, runs, forgetOutputs } = open({ base: async () => "base" });
      const first = await one(service, recipeOf("base"), { reuse: "success" });
      const made = await endOf(service, first);
      const again = await one(service, recipeOf("base"), { reuse: "success" });
      assert.deepEqual(await endOf(service, again), made);
      assert.equal((await service.get(again))?.id, made.id);
      assert.equal(runs().length, 1);
      await endOf(service, await one(service, recipeOf("base")));
      assert.equal(runs().length, 2, "it was not asked to use one");
      forgetOutputs();
      await endOf(service, await one(service, recipeOf("base"), { reuse: "success" }));
      assert.equal(runs().length, 3);
      for (const { id } of (await service.list()).attempts)
        await service.refuse(id, { reason: "check-failed", why: "ugly" });
      assert.deepEqual((await service.get(made.id))?.end, { reason: "check-failed", why: "ugly" });
      await endOf(service, await one(service, recipeOf("base"), { reuse: "success" }));
      assert.equal(runs().length, 4);
    });

    test("a rebuilt input with the same contents executes nothing above it", async () => {
      const { service, runs } = open({ compile: async () => "object", copy });
      const graph = async (comment: string) => {
        const source = recipeOf("compile", { env: [{ name: "COMMENT", value: comment }] });
        const compiled = await digestOfRecipe(service, source);
        const link = needing("copy", compiled);
        const [, id] = await service.submit([{ recipe: source }, { recipe: link }], { reuse: "success" });
        return await endOf(service, id);
      };
      const before = await graph("one");
      const after = await graph("another");
      assert.equal(after.id, before.id);
      assert.deepEqual(runs(), ["compile", "copy", "compile"]);
    });

    test("what needs a failure fails with it, the rest goes on if it may", async () => {
      const { service, runs } = open({
        base: async () => "base",
        bad: async ({ inputs }) => (inputs.length === 0 ? "good this time" : { reason: "exit-code", code: 3 }),
        copy,
      });
      const base = await digestOfRecipe(service, recipeOf("base"));
      const bad = needing("bad", base);
      const failed = await endOf(service, await one(service, bad));
      assert.deepEqual(failed.end, { reason: "exit-code", code: 3 });
      const above = needing("copy", failed.recipe);
      const ids = await all(service, [bad, above, recipeOf("base"), needing("copy", base)], { keepGoing: true });
      const [, dependent] = await Promise.all(ids.map((id) => endOf(service, id)));
      assert.deepEqual(dependent.end, { reason: "dependency", attempt: (await service.get(ids[0]))?.id });
      assert.equal(dependent.startedAtMs, undefined);
      assert.equal(await reasonOf(service, ids[3]), "succeeded");
      assert.deepEqual(runs().slice(2).toSorted(), ["bad", "base", "copy"]);
    });

    test("without leave to go on, a failure withdraws the submission", async () => {
      const { service } = open({ bad: async () => ({ reason: "exit-code", code: 1 }), wait: untilAborted });
      const [bad, waiting] = await all(service, [recipeOf("bad"), recipeOf("wait")]);
      assert.equal(await reasonOf(service, bad), "exit-code");
      assert.equal(await reasonOf(service, waiting), "cancelled");
    });

    test("equal recipes under way are one attempt, cancelled when all who asked for it are gone", async () => {
      const { service } = open({ wait: untilAborted });
      const [first, second] = [new AbortController(), new AbortController()];
      const id = await one(service, recipeOf("wait"), { signal: first.signal });
      const [joined] = (await Promise.all([one(service, recipeOf("wait"), { signal: second.signal })])) as [string];
      assert.equal(joined, id);
      first.abort();
      for await (const event of service.watch(id)) {
        if (event.type === "started") second.abort();
        if (event.type === "ended") assert.equal(event.attempt.end?.reason, "cancelled");
      }
    });

    test("who leaves an attempt that answers for another recipe too hears of it at once, and the attempt goes on", async () => {
      const { service } = open({ same: async () => "same", too: async () => "same", wait: untilAborted });
      const needs = [await digestOfRecipe(service, recipeOf("same")), await digestOfRecipe(service, recipeOf("too"))];
      const leaving = new AbortController();
      const staying = await one(service, needing("wait", needs[0]));
      for await (const event of service.watch(staying)) if (event.type === "started") break;
      const id = await one(service, needing("wait", needs[1]), { signal: leaving.signal });
      for await (const event of service.watch(id)) {
        if (event.type === "started") leaving.abort();
        if (event.type === "ended") assert.equal(event.attempt.end?.reason, "cancelled");
      }
      assert.equal((await service.get(staying))?.status, "running");
      await service.cancel(staying);
    });

    test("cancel ends a running and a waiting attempt", async () => {
      const { service } = open({ wait: untilAborted });
      const recipes = ["1", "2", "3"].map((value) => recipeOf("wait", { env: [{ name: "N", value }] }));
      const ids = await all(service, recipes, { keepGoing: true });
      await service.cancel(ids[2]);
      assert.deepEqual((await service.get(ids[2]))?.end, { reason: "cancelled" });
      await Promise.all(ids.map((id) => service.cancel(id)));
      assert.equal(await reasonOf(service, ids[0]), "cancelled");
      await service.cancel(ids[0]);
      await service.cancel("unknown");
    });

    test("what is wrong with a submission is told before anything is started", async () => {
      const { service, runs } = open({ base: async () => "base" });
      const code = (wanted: string) => (thrown: unknown) => thrown instanceof BuildError && thrown.code === wanted;
      const { constraints } = recipeOf("base");
      const cases: [Recipe, string][] = [
        [recipeOf("base", { argv: [] }), "invalid-recipe"],
        [recipeOf("base", { constraints: { ...constraints, system: "riscv64-linux" } }), "unsupported"],
        [recipeOf("base", { constraints: { ...constraints, features: ["never-heard-of"] } }), "unsupported"],
        [needing("base", "c".repeat(64) as Digest), "missing-input"],
      ];
      for (const [recipe, wanted] of cases) {
        await assert.rejects(all(service, [recipeOf("base"), recipe]), code(wanted));
      }
      await assert.rejects(Array.fromAsync(service.watch("unknown")), code("unknown-attempt"));
      await assert.rejects(service.refuse("unknown", { reason: "check-failed", why: "" }), code("unknown-attempt"));
      assert.equal(await service.get("unknown"), undefined);
      assert.deepEqual(runs(), []);
      assert.deepEqual((await service.list()).attempts, []);
    });

    test("pages of a list have no gaps", async () => {
      const { service, file } = open({ copy });
      for (const contents of ["1", "2", "3"]) {
        const recipe = recipeOf("copy", { inputs: [{ path: "in", node: await file(contents) }] });
        await endOf(service, await one(service, recipe));
      }
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await service.list({ limit: 2, cursor });
        seen.push(...page.attempts.map(({ id }) => id));
        cursor = page.next;
      } while (cursor !== undefined);
      assert.equal(new Set(seen).size, 3);
      assert.equal(seen.length, 3);
    });
  });
}
