import assert from "node:assert/strict";
import { test } from "node:test";
import { untilAborted } from "@firn/base";
import { MemoryDirectories } from "@firn/castore";
import { type BuildService, recipeDigest } from "@firn/build";
import { contractService, contractStores } from "./contract-service.ts";
import { recipeOf } from "./recipes.ts";

const wordRecipe = (word: string) => recipeOf({ argv: ["/bin/sh", word] });

async function started(service: BuildService, id: string): Promise<void> {
  for await (const { type } of service.watch(id, { log: false })) if (type === "started") return;
}

test("a recipe whose attempt is cancelled while a submission waits for another one to go gets an attempt of its own", async () => {
  const gates = { a: Promise.withResolvers<void>(), b: Promise.withResolvers<void>() };
  const runs: string[] = [];
  const slowToGo = (word: "a" | "b") => async (_run: unknown, _log: unknown, signal: AbortSignal) => {
    const isFirst = !runs.includes(word);
    runs.push(word);
    if (!isFirst) return word;
    await untilAborted(signal);
    await gates[word].promise;
    return { reason: "cancelled" as const };
  };
  const { service } = contractService({ a: slowToGo("a"), b: slowToGo("b") });
  const recipes = [{ recipe: wordRecipe("a") }, { recipe: wordRecipe("b") }];
  const [a, b] = await service.submit(recipes, { keepGoing: true });
  await Promise.all([started(service, a), started(service, b)]);
  const cancelling = [service.cancel(b)];
  const submitting = service.submit(recipes, { keepGoing: true });
  await new Promise((resolve) => setTimeout(resolve, 20)); // it waits for b
  cancelling.push(service.cancel(a));
  gates.b.resolve();
  setTimeout(() => gates.a.resolve(), 20);
  for (const id of await submitting) {
    let last: string | undefined;
    for await (const event of service.watch(id)) if (event.type === "ended") last = event.attempt.status;
    assert.equal(last, "succeeded");
  }
  await Promise.all(cancelling);
});

test("an input that many recipes need is asked for once", async () => {
  const stores = contractStores();
  const directories = new MemoryDirectories(stores.leases);
  const { service, file } = contractService({ a: async () => "a", b: async () => "b" }, { directories }, stores);
  const node = await file("input");
  const asked: string[] = [];
  const has = stores.blobs.has.bind(stores.blobs);
  stores.blobs.has = async (digest, options) => {
    asked.push(digest);
    return await has(digest, options);
  };
  const recipes = ["a", "b"].map((word) => ({
    recipe: { ...wordRecipe(word), inputs: [{ path: "in", node }] },
  }));
  await service.submit(recipes);
  assert.equal(asked.length, 1);
  assert.equal(new Set(recipes.map(({ recipe }) => recipeDigest(recipe))).size, 2);
});
