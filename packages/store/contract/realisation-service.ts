/*
What every RealisationService must do, as tests. `open` makes a fresh, empty service for each test and says how to end it.
*/

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseStorePath, StorePath } from "@firn/nix-compat";
import { type Realisation, type RealisationService, SIGNATURES_MAX } from "@firn/store";

type Opened = { readonly realisations: RealisationService; close(): Promise<void> };

const drvPath = parseStorePath(`${"d".repeat(32)}-thing.drv`);
const one = new StorePath("a".repeat(32), "thing");
const other = new StorePath("b".repeat(32), "thing");
const signature = (keyName: string, fill: number) => ({ keyName, bytes: new Uint8Array(64).fill(fill) });

function realised(path: StorePath, more: Partial<Realisation> = {}): Realisation {
  return { drvPath, output: "out", path, signatures: [], ...more };
}

export function realisationServiceContract(name: string, open: () => Promise<Opened>): void {
  const check = (sentence: string, body: (realisations: RealisationService) => Promise<void>) =>
    test(sentence, async () => {
      const opened = await open();
      try {
        await body(opened.realisations);
      } finally {
        await opened.close();
      }
    });

  describe(`${name} keeps the contract of a RealisationService`, () => {
    check("what was put is got back whole, by derivation and output", async (realisations) => {
      const doc = realised(other, { output: "doc", signatures: [signature("key-1", 1)] });
      await realisations.put([realised(one), doc]);
      assert.deepEqual(await realisations.get(drvPath, "out"), realised(one));
      assert.deepEqual(await realisations.get(drvPath, "doc"), doc);
      assert.equal(await realisations.get(drvPath, "dev"), undefined);
      assert.equal(await realisations.get(parseStorePath(`${"f".repeat(32)}-thing.drv`), "out"), undefined);
    });

    check("of one output the newest counts, and of one path all signatures", async (realisations) => {
      await realisations.put([realised(one, { signatures: [signature("key-1", 1)] })]);
      await realisations.put([realised(one, { signatures: [signature("key-2", 2), signature("key-1", 1)] })]);
      assert.deepEqual(
        (await realisations.get(drvPath, "out"))?.signatures.map(({ keyName }) => keyName),
        ["key-1", "key-2"],
      );
      await realisations.put([realised(other)]);
      assert.deepEqual(await realisations.get(drvPath, "out"), realised(other));
    });

    check("what breaks a rule is refused, and then nothing of the call is kept", async (realisations) => {
      const wrong = [
        realised(one, { drvPath: one }),
        realised(one, { output: "drvPath" }),
        realised(one, { output: "" }),
      ];
      for (const bad of wrong)
        await assert.rejects(realisations.put([realised(one), bad]), { code: "invalid-realisation" });
      assert.equal(await realisations.get(drvPath, "out"), undefined);
    });

    check("more signatures than can be read again are refused, also when they come together", async (realisations) => {
      const signatures = Array.from({ length: SIGNATURES_MAX }, (_, i) => signature(`key-${i}`, 1));
      await realisations.put([realised(one, { signatures })]);
      const more = realised(one, { signatures: [signature("one-more", 1)] });
      await assert.rejects(realisations.put([realised(other, { output: "doc" }), more]), { code: "limit" });
      assert.deepEqual(await realisations.get(drvPath, "out"), realised(one, { signatures }));
      assert.equal(await realisations.get(drvPath, "doc"), undefined);
    });

    check("all are listed, however many", async (realisations) => {
      const many = Array.from({ length: 700 }, (_, i) => realised(one, { output: `o${i}` }));
      await realisations.put(many);
      const listed = await Array.fromAsync(realisations.list());
      assert.deepEqual(listed.map(({ output }) => output).sort(), many.map(({ output }) => output).sort());
    });
  });
}
