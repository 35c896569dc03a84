/* Realisations signed, verified, retried and copied. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CastoreError, naming, retrying } from "@firn/castore";
import { generateSecretKey, parseStorePath, StorePath } from "@firn/nix-compat";
import {
  copyPaths,
  copyRealisations,
  InterceptedRealisations,
  MemoryRealisations,
  type Realisation,
  type RealisationService,
  realisationsOf,
  SigningRealisations,
  type StoreServices,
  TrustedKeys,
  VerifiedRealisations,
} from "@firn/store";
import { realisationServiceContract } from "@firn/store/contract";
import { chainStore, memoryStore, pathOf } from "./small-store.ts";

const close = async () => {};
const drvPath = parseStorePath(`${"d".repeat(32)}-thing.drv`);
const realised = (path: StorePath, output = "out"): Realisation => ({ drvPath, output, path, signatures: [] });

realisationServiceContract("intercepted", async () => {
  return { realisations: new InterceptedRealisations(new MemoryRealisations(), naming("realisations 'x'")), close };
});

/** Fails every other call before it is made. */
function breaking(inner: RealisationService): RealisationService {
  let calls = 0;
  const lose = () => {
    if (calls++ % 2 === 0) throw new CastoreError("storage", "lost", { retryable: true });
  };
  return {
    get: async (...args) => {
      lose();
      return await inner.get(...args);
    },
    put: async (...args) => {
      lose();
      await inner.put(...args);
    },
    async *list(options) {
      lose();
      yield* inner.list(options);
    },
  };
}
realisationServiceContract("retried", async () => {
  const realisations = new InterceptedRealisations(breaking(new MemoryRealisations()), retrying({ delayMs: 0 }));
  return { realisations, close };
});

test("what is signed on its way in is let out by who trusts the key, and nothing else is", async () => {
  const [mine, other] = [await generateSecretKey("mine-1"), await generateSecretKey("other-1")];
  const inner = new MemoryRealisations();
  await new SigningRealisations(inner, [mine]).put([realised(pathOf("a"))]);
  await new SigningRealisations(inner, [other]).put([realised(pathOf("b"), "doc")]);
  const verified = new VerifiedRealisations(inner, new TrustedKeys([mine.publicKey]));
  assert.equal((await verified.get(drvPath, "out"))?.path.toString(), pathOf("a").toString());
  await assert.rejects(verified.get(drvPath, "doc"), { code: "untrusted" });
  assert.equal(await verified.get(drvPath, "dev"), undefined);
  assert.deepEqual(
    (await Array.fromAsync(verified.list())).map(({ output }) => output),
    ["out"],
  );
  const liar: RealisationService = {
    get: () => inner.get(drvPath, "out"),
    put: (all) => inner.put(all),
    list: () => inner.list(),
  };
  const asked = new VerifiedRealisations(liar, new TrustedKeys([mine.publicKey]));
  await assert.rejects(asked.get(drvPath, "doc"), { code: "mismatch" });
});

describe("copied realisations", () => {
  const store = async (services: StoreServices | Promise<StoreServices>) => ({
    ...(await services),
    realisations: new MemoryRealisations(),
  });

  test("are those of the paths and of what these refer to, and go with their signatures", async () => {
    const from = await store(chainStore()); // c refers to b, b to a
    const signing = new SigningRealisations(from.realisations, [await generateSecretKey("key-1")]);
    await signing.put([realised(pathOf("a"), "a"), realised(pathOf("b"), "b"), realised(pathOf("d"), "d")]);
    assert.deepEqual((await realisationsOf([pathOf("c")], from)).map(({ output }) => output).sort(), ["a", "b"]);
    const to = await store(memoryStore());
    assert.equal(await copyRealisations([pathOf("c")], from, to), 0, "their paths are not there");
    await copyPaths([pathOf("c")], from, to, { registeredAt: 1 });
    assert.equal(await copyRealisations([pathOf("c")], from, to), 2);
    assert.deepEqual(await to.realisations.get(drvPath, "a"), await from.realisations.get(drvPath, "a"));
    assert.equal(await to.realisations.get(drvPath, "d"), undefined);
    assert.equal(await copyRealisations([pathOf("c")], from, await memoryStore()), 0, "nothing keeps them there");
  });

  test("leave alone what the target built itself, unless that is gone", async () => {
    const from = await store(chainStore());
    await from.realisations.put([realised(pathOf("a")), realised(pathOf("a"), "gone")]);
    const to = await store(chainStore());
    const gone = new StorePath("0".repeat(32), "gone");
    await to.realisations.put([realised(pathOf("b")), realised(gone, "gone")]);
    assert.equal(await copyRealisations([pathOf("a")], from, to), 1);
    assert.equal((await to.realisations.get(drvPath, "out"))?.path.name, "name-b");
    assert.equal((await to.realisations.get(drvPath, "gone"))?.path.name, "name-a");
  });
});
