/*
What every StoreUpkeep must do, as tests. `open` makes a fresh, empty store for each test and says how to end it.
*/

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { StorePath } from "@firn/nix-compat";
import { type GarbageResult, type PathInfoService, ROOT_NAME_CHARS_MAX, type StoreUpkeep } from "@firn/store";

type Opened = { readonly upkeep: StoreUpkeep; readonly pathInfos: PathInfoService; close(): Promise<void> };

const pathOf = (letter: string) => new StorePath(letter.repeat(32), `name-${letter}`);

/** b refers to a; c and d to nothing. Each has a NAR of 1000 bytes, and is registered at the place of its letter. */
async function fill({ pathInfos }: Opened): Promise<void> {
  const infos = [..."abcd"].map((letter, i) => ({
    path: pathOf(letter),
    node: { kind: "symlink", target: letter } as const,
    narSha256: new Uint8Array(32).fill(i),
    narSize: 1000,
    references: letter === "b" ? [pathOf("a")] : [],
    signatures: [],
    registeredAt: i + 1,
  }));
  await pathInfos.put(infos);
}

const lettersOf = ({ deadPaths }: GarbageResult) => deadPaths.map(({ name }) => name.at(-1)).sort();

export function storeUpkeepContract(name: string, open: () => Promise<Opened>): void {
  const check = (sentence: string, body: (opened: Opened) => Promise<void>) =>
    test(sentence, async () => {
      const opened = await open();
      try {
        await fill(opened);
        await body(opened);
      } finally {
        await opened.close();
      }
    });
  const registered = async ({ pathInfos }: Opened) =>
    (await Array.fromAsync(pathInfos.list())).map(({ path }) => path.name.at(-1)).sort();
  const namesIn = async ({ upkeep }: Opened) =>
    (await upkeep.roots.listRoots()).map(({ name: root, path }) => `${root} ${path.name.at(-1)}`).sort();

  describe(`${name} keeps the contract of a StoreUpkeep`, () => {
    check("a root holds its path and what that refers to, until it is removed", async (opened) => {
      const { roots } = opened.upkeep;
      await roots.addRoot("tools – ü", pathOf("b"));
      await roots.addRoot("other", pathOf("d"));
      assert.deepEqual(await namesIn(opened), ["other d", "tools – ü b"]);
      assert.deepEqual(lettersOf(await opened.upkeep.collectGarbage()), ["c"]);
      assert.deepEqual(await registered(opened), ["a", "b", "d"]);
      await roots.removeRoot("tools – ü");
      assert.deepEqual(lettersOf(await opened.upkeep.collectGarbage()), ["a", "b"]);
      assert.deepEqual(await registered(opened), ["d"]);
    });

    check(
      "a name that is added again holds the new path, and removing what is not there is no error",
      async (opened) => {
        const { roots } = opened.upkeep;
        await roots.addRoot("it", pathOf("c"));
        await roots.addRoot("it", pathOf("d"));
        assert.deepEqual(await namesIn(opened), ["it d"]);
        await roots.removeRoot("else");
        await roots.removeIndirectRoot("/no/such/link");
        assert.deepEqual(await namesIn(opened), ["it d"]);
      },
    );

    check("a bad name, or a path that is not registered, is refused", async (opened) => {
      for (const bad of ["", "a\nb", "x".repeat(ROOT_NAME_CHARS_MAX + 1)])
        await assert.rejects(opened.upkeep.roots.addRoot(bad, pathOf("a")), { code: "invalid-root" });
      await assert.rejects(opened.upkeep.roots.addRoot("it", pathOf("f")), { code: "invalid-root" });
      assert.deepEqual(await namesIn(opened), []);
    });

    check("a dry run tells what would go, and nothing goes", async (opened) => {
      await opened.upkeep.roots.addRoot("it", pathOf("c"));
      const would = await opened.upkeep.collectGarbage({ dryRun: true });
      assert.deepEqual([lettersOf(would), would.livePaths], [["a", "b", "d"], 1]);
      assert.deepEqual(await registered(opened), ["a", "b", "c", "d"]);
      const done = await opened.upkeep.collectGarbage();
      assert.deepEqual(
        { ...done, deadPaths: lettersOf(done), markMs: 0 },
        { ...would, deadPaths: lettersOf(would), markMs: 0 },
      );
    });

    check("limits on bytes and times keep what is beyond them", async (opened) => {
      assert.deepEqual(lettersOf(await opened.upkeep.collectGarbage({ registeredBefore: 3, dryRun: true })), [
        "a",
        "b",
      ]);
      assert.equal((await opened.upkeep.collectGarbage({ maxFreedBytes: 1500 })).deadPaths.length, 2);
      assert.equal((await registered(opened)).length, 2);
    });

    check("progress is told", async ({ upkeep }) => {
      const phases: string[] = [];
      await upkeep.collectGarbage({ onProgress: ({ phase, done }) => phases.push(`${phase} ${done}`) });
      assert.notDeepEqual(phases, []);
    });

    check("a signal that fired ends it with its reason, and nothing is lost", async (opened) => {
      const reason = new Error("enough");
      await assert.rejects(opened.upkeep.collectGarbage({ signal: AbortSignal.abort(reason) }), reason);
      assert.equal((await registered(opened)).length, 4);
    });
  });
}
