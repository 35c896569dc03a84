import assert from "node:assert/strict";
import { test } from "node:test";
import { StorePath } from "@firn/nix-compat";
import type { PathInfo } from "@firn/store";
import { closureOf } from "../src/closure.ts";
import { fileOf, memoryStores } from "./derivations.ts";

const pathOf = (letter: string) => new StorePath(letter.repeat(32), letter);

/** Paths of one letter, each with the letters it refers to. */
async function storeOf(references: Readonly<Record<string, string>>) {
  const stores = memoryStores();
  const node = await fileOf(stores.blobs, "x");
  const infos: PathInfo[] = Object.entries(references).map(([letter, targets]) => ({
    path: pathOf(letter),
    node,
    narSha256: new Uint8Array(32),
    narSize: 120,
    references: [...targets].sort().map(pathOf),
    signatures: [],
    registeredAt: 0,
  }));
  await stores.pathInfos.put(infos);
  return stores.pathInfos;
}

test("a closure holds what is reachable, once, rings and self-references included", async () => {
  const pathInfos = await storeOf({ a: "abc", b: "d", c: "d", d: "b", f: "a" });
  const letters = async (...from: readonly string[]) =>
    Array.from(
      await closureOf(
        pathInfos,
        from.map((letter) => pathOf(letter).absolute()),
      ),
      ([path]) => path.at(-1),
    )
      .sort()
      .join("");
  assert.equal(await letters("a"), "abcd");
  assert.equal(await letters("d"), "bd");
  assert.equal(await letters("d", "c", "d"), "bcd");
  assert.equal(await letters(), "");
  assert.equal(await letters("f"), "abcdf");
});

test("a path that is not registered is named", async () => {
  const pathInfos = await storeOf({ a: "" });
  const missing = pathOf("b").absolute();
  await assert.rejects(closureOf(pathInfos, [pathOf("a").absolute(), missing]), {
    code: "missing-input",
    context: { path: missing },
  });
  const sameHash = `${pathOf("a").absolute()}-other`;
  await assert.rejects(closureOf(pathInfos, [sameHash]), { code: "missing-input" });
});
