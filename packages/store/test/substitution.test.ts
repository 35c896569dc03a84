/* Substitution when several want the same and one of them leaves. What it brings, and from whom, is tested with the caches it is made for. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { copyTree, type StoreServices, type Substituter, Substitution } from "@firn/store";
import { chainStore, memoryStore, pathOf } from "./small-store.ts";

/** Offers what a store has. `wait` is what comes before an answer. */
function sourceOf(store: StoreServices, wait: (what: string, signal: AbortSignal) => Promise<void>): Substituter {
  const waiting = (what: string, signal?: AbortSignal) => wait(what, signal ?? new AbortController().signal);
  return {
    label: "a store",
    priority: async (options) => {
      await waiting("priority", options?.signal);
      return 1;
    },
    offer: async (hashPart) => {
      const info = await store.pathInfos.get(hashPart);
      if (info === undefined) return undefined;
      const { node, registeredAt, ...described } = info;
      return {
        described,
        source: "a store",
        downloadBytes: undefined,
        take: async (to, { signal }) => {
          await waiting(`take ${info.path.name}`, signal);
          await copyTree(node, store, to, { signal });
          return node;
        },
      };
    },
  };
}

const leavings: readonly (readonly [what: string, asked: string])[] = [
  ["priority", "a"],
  ["take name-a", "a"],
  ["take name-a", "b"],
  ["take name-b", "b"],
];
for (const [what, asked] of leavings) {
  test(`who leaves while others wait for the same takes nothing from them (at ${what}, for ${asked})`, async () => {
    const reached = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const calls: string[] = [];
    const wait = async (which: string, signal: AbortSignal) => {
      calls.push(which);
      if (which !== what) return;
      reached.resolve();
      await goOn.promise;
      signal.throwIfAborted();
    };
    const to = memoryStore();
    const sources = [sourceOf(await chainStore(), wait)];
    const substitution = new Substitution({ sources, to, lease: undefined, trusted: undefined, now: () => 0 });
    const leaving = new AbortController();
    const first = substitution.bring([pathOf("b")], { signal: leaving.signal });
    const second = substitution.bring([pathOf(asked)], { signal: new AbortController().signal });
    await reached.promise;
    await new Promise(setImmediate); // both wait
    const reason = new Error("enough");
    leaving.abort(reason);
    await assert.rejects(first, (thrown) => thrown === reason);
    goOn.resolve();
    assert.equal(await second, true);
    assert.equal(new Set(calls).size, calls.length, "nothing is asked twice");
    for (const letter of asked === "b" ? "ab" : "a") assert.ok(await to.pathInfos.get(pathOf(letter).hashPart), letter);
  });
}

test("what nobody waits for any more is stopped, and brought when it is asked for again", async () => {
  const stopped = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  let isPatient = false;
  const wait = async (which: string, signal: AbortSignal) => {
    if (which !== "take name-a" || isPatient) return;
    reached.resolve();
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    stopped.resolve();
    signal.throwIfAborted();
  };
  const to = memoryStore();
  const sources = [sourceOf(await chainStore(), wait)];
  const substitution = new Substitution({ sources, to, lease: undefined, trusted: undefined, now: () => 0 });
  const leaving = new AbortController();
  const first = substitution.bring([pathOf("b")], { signal: leaving.signal });
  await reached.promise;
  leaving.abort(new Error("enough"));
  await assert.rejects(first, /enough/);
  await stopped.promise;
  isPatient = true;
  assert.equal(await substitution.bring([pathOf("b")]), true);
});

test("what many ask for at once, and what many paths need, is brought once", async () => {
  const calls: string[] = [];
  const wait = async (which: string) => {
    calls.push(which);
    await new Promise(setImmediate);
  };
  const to = memoryStore();
  const puts: string[] = [];
  const { put } = to.pathInfos;
  to.pathInfos.put = async (infos, options) => {
    puts.push(...infos.map(({ path }) => path.name));
    await put.call(to.pathInfos, infos, options);
  };
  const sources = [sourceOf(await chainStore(), wait)];
  const substitution = new Substitution({ sources, to, lease: undefined, trusted: undefined, now: () => 0 });
  const asked = ["d", "d", "c", "b", "d"].map((letter) => substitution.bring([pathOf(letter), pathOf("a")]));
  assert.deepEqual(await Promise.all(asked), [true, true, true, true, true]);
  const takes = calls.filter((call) => call.startsWith("take ")).sort();
  assert.deepEqual(takes, ["take name-a", "take name-b", "take name-c", "take name-d"]);
  assert.deepEqual(puts.sort(), ["name-a", "name-b", "name-c", "name-d"]);
});
