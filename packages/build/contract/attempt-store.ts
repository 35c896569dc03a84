/*
What every AttemptStore must do, as tests.
*/

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Attempt, AttemptFilter, AttemptStore, Recipe } from "@firn/build";
import type { Digest } from "@firn/castore";

const digest = (letter: string) => letter.repeat(64) as Digest;
const recipe: Recipe = {
  inputs: [{ path: "in", node: { kind: "symlink", target: "caf\xc3\xa9\0".slice(0, 5) } }],
  argv: ["/bin/sh", "\xff"],
  env: [],
  files: [{ path: "f", contents: "\0\xff\n" }],
  workingDirectory: "build",
  outputs: ["out"],
  constraints: { system: "x86_64-linux", features: [], network: false, shell: true },
  needles: ["n"],
};

function attemptOf(id: string, change: Partial<Attempt> = {}): Attempt {
  return {
    id,
    recipe: digest("a"),
    resolved: digest("b"),
    label: "some",
    builder: "test",
    status: "waiting",
    queuedAtMs: 1000,
    outputs: [],
    ...change,
  };
}

const success: Partial<Attempt> = {
  status: "succeeded",
  startedAtMs: 1001,
  endedAtMs: 1002,
  end: { reason: "succeeded" },
  cpuUserMs: 12.5,
  log: digest("c"),
  logBytes: 3,
  outputs: [{ path: "out\xff", node: { kind: "file", digest: digest("d"), size: 3, executable: true }, needles: [0] }],
};

/** `open` yields an empty store. */
export function attemptStoreContract(name: string, open: () => AttemptStore): void {
  describe(`${name} keeps the contract of an AttemptStore`, () => {
    test("an attempt is remembered in every state, the last one put", async () => {
      const store = open();
      assert.equal(await store.get("one"), undefined);
      const states = [
        attemptOf("one"),
        attemptOf("one", { status: "running", startedAtMs: 1001 }),
        attemptOf("one", success),
        attemptOf("one", { ...success, status: "failed", end: { reason: "hash-mismatch", why: "sha256-… \u2026" } }),
      ];
      for (const state of states) {
        await store.put(state);
        assert.deepEqual(await store.get("one"), state);
        assert.deepEqual((await store.list()).attempts, [state]);
      }
    });

    test("recipes are kept with their attempts, byte for byte", async () => {
      const store = open();
      await store.put(attemptOf("one"), [
        { digest: digest("a"), recipe },
        { digest: digest("b"), recipe: { ...recipe, argv: ["/other"] } },
      ]);
      assert.deepEqual(await store.recipe(digest("a")), recipe);
      assert.deepEqual((await store.recipe(digest("b")))?.argv, ["/other"]);
      assert.equal(await store.recipe(digest("e")), undefined);
    });

    test("lists are newest first, by every filter, in pages without gaps or repeats", async () => {
      const store = open();
      const rows: [id: string, change: Partial<Attempt>][] = [
        ["a1", { queuedAtMs: 1000, label: "x" }],
        ["a2", { queuedAtMs: 2000, ...success, recipe: digest("1"), resolved: digest("1") }],
        ["b3", { queuedAtMs: 3000, label: "x", recipe: digest("2"), resolved: digest("1") }],
        ["b4", { queuedAtMs: 4000, status: "failed", endedAtMs: 5, end: { reason: "cancelled" } }],
        ["b5", { queuedAtMs: 5000, resolved: undefined }],
      ];
      for (const [id, change] of rows) await store.put(attemptOf(id, change));
      const ids = async (filter?: AttemptFilter) => (await store.list(filter)).attempts.map(({ id }) => id).join(" ");
      const cases: [AttemptFilter | undefined, string][] = [
        [undefined, "b5 b4 b3 a2 a1"],
        [{ recipe: digest("1") }, "b3 a2"],
        [{ recipe: digest("2") }, "b3"],
        [{ recipe: digest("1"), status: "succeeded" }, "a2"],
        [{ label: "x" }, "b3 a1"],
        [{ status: "waiting" }, "b5 b3 a1"],
        [{ status: "failed" }, "b4"],
        [{ idPrefix: "b" }, "b5 b4 b3"],
        [{ sinceMs: 4000 }, "b5 b4"],
        [{ limit: 2 }, "b5 b4"],
        [{ label: "none" }, ""],
      ];
      for (const [filter, expected] of cases) assert.equal(await ids(filter), expected, JSON.stringify(filter));
      for (const limit of [0, 1, 2, 3, 5, 6]) {
        const seen: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await store.list({ limit, cursor });
          assert.ok(page.attempts.length <= Math.max(1, limit));
          seen.push(...page.attempts.map(({ id }) => id));
          cursor = page.next;
        } while (cursor !== undefined);
        assert.equal(seen.join(" "), "b5 b4 b3 a2 a1");
      }
    });

    test("of attempts at what is the same recipe one is started while it runs, and nobody who was queued meanwhile needs another", async () => {
      const store = open();
      const running: Partial<Attempt> = { status: "running", startedAtMs: 1900 };
      const begin = async (id: string, change: Partial<Attempt> = {}) => {
        await store.put(attemptOf(id, change));
        const other = await store.start(attemptOf(id, { ...change, ...running }));
        assert.equal(await store.get(id).then((found) => found?.status), other === undefined ? "running" : undefined);
        return other?.id;
      };
      assert.equal(await begin("one"), undefined);
      assert.equal(await begin("other", { recipe: digest("1"), resolved: digest("2") }), undefined);
      assert.equal(await begin("joins", { recipe: digest("e"), queuedAtMs: 1600 }), "one");
      await Promise.all(["x", "y", "z"].map((id) => begin(id, { resolved: digest("3") }))).then((ids) =>
        assert.equal(ids.filter((id) => id === undefined).length, 1),
      );
      await store.put(attemptOf("one", { ...success, endedAtMs: 1700 }));
      assert.equal(await begin("was queued", { queuedAtMs: 1699 }), "one");
      await store.put(attemptOf("one", { status: "failed", endedAtMs: 1700, end: { reason: "exit-code", code: 1 } }));
      assert.equal(await begin("after a failure", { queuedAtMs: 1699 }), undefined);
      await store.put(attemptOf("after a failure", { ...success, endedAtMs: 1800 }));
      assert.equal(await begin("later", { queuedAtMs: 1800 }), undefined);
      await store.put(attemptOf("later", { status: "failed", endedAtMs: 1950, end: { reason: "cancelled" } }));
      await store.put(attemptOf("after a failure", { ...success, endedAtMs: 5000 }));
      assert.equal(await begin("when the clock was put back", { queuedAtMs: 1850 }), undefined);
    });

    test("who asks to cancel is heard until the attempt ended", async () => {
      const store = open();
      await store.put(attemptOf("one"));
      await store.put(attemptOf("two"));
      assert.deepEqual(await store.cancelRequests(), []);
      await store.requestCancel("two");
      await store.requestCancel("unknown");
      assert.deepEqual(await store.cancelRequests(), ["two"]);
      await store.put(attemptOf("two", { status: "running", startedAtMs: 3 }));
      assert.deepEqual(await store.cancelRequests(), ["two"]);
      await store.put(attemptOf("two", { status: "failed", endedAtMs: 5, end: { reason: "cancelled" } }));
      await store.requestCancel("two");
      assert.deepEqual(await store.cancelRequests(), []);
    });
  });
}
