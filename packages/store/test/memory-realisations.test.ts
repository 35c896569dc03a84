/* Realisations in memory keep the contract; what is stored is read back or refused. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseStorePath } from "@firn/nix-compat";
import { decodeRealisation, encodeRealisation, MemoryRealisations, realisationKey } from "@firn/store";
import { realisationServiceContract } from "@firn/store/contract";

realisationServiceContract("memory", async () => ({ realisations: new MemoryRealisations(), close: async () => {} }));

test("an encoded realisation is read back, a damaged one is refused", () => {
  const drvPath = parseStorePath(`${"d".repeat(32)}-x.drv`);
  const key = realisationKey(drvPath, "out");
  const signatures = [{ keyName: "key-1", bytes: new Uint8Array(64).fill(7) }];
  const realisation = { drvPath, output: "out", path: parseStorePath(`${"a".repeat(32)}-x`), signatures };
  const encoded = encodeRealisation(realisation);
  assert.deepEqual(decodeRealisation(key, encoded), realisation);
  const damaged = [encoded.slice(1), encoded.replace('"v":1', '"v":2'), encoded.replace("key-1:", "key-1:A"), "{}"];
  for (const bad of damaged) assert.throws(() => decodeRealisation(key, bad), { code: "malformed" });
  assert.throws(() => decodeRealisation("no caret", encoded), { code: "malformed" });
});
