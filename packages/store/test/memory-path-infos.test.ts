/* Path infos in memory keep the contract; their encoding keeps everything and refuses what it does not know. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { EMPTY_DIGEST } from "@firn/castore";
import { parseStorePath } from "@firn/nix-compat";
import { decodePathInfo, encodePathInfo, MemoryPathInfos, type PathInfo } from "@firn/store";
import { pathInfoServiceContract } from "@firn/store/contract";

pathInfoServiceContract("memory", async () => ({ pathInfos: new MemoryPathInfos(), close: async () => {} }));

const path = parseStorePath(`${"a".repeat(32)}-name`);
const directory: PathInfo = {
  path,
  node: { kind: "directory", digest: EMPTY_DIGEST, size: 0 },
  narSha256: new Uint8Array(32).fill(1),
  narSize: 96,
  references: [path],
  deriver: undefined,
  contentAddress: undefined,
  signatures: [],
  registeredAt: 5,
};

test("an encoding is stable text and decodes to the same", () => {
  const text = new TextDecoder().decode(encodePathInfo(directory));
  assert.equal(
    text,
    `{"v":1,"path":"${path}","node":["d","${EMPTY_DIGEST}",0],"narSha256":"${"01".repeat(32)}","narSize":96,` +
      `"references":["${path}"],"signatures":[],"registeredAt":5}`,
  );
  assert.deepEqual(decodePathInfo(encodePathInfo(directory)), directory);
});

test("another version, kind or broken bytes are refused", () => {
  const text = new TextDecoder().decode(encodePathInfo(directory));
  const decode = (changed: string) => decodePathInfo(new TextEncoder().encode(changed));
  for (const bad of [
    "",
    "{}",
    text.slice(1),
    text.replace('"v":1', '"v":2'),
    text.replace('["d"', '["x"'),
    text.replace(`"${path}"`, "3"),
  ]) {
    assert.throws(() => decode(bad), { code: "malformed" }, bad);
  }
  assert.throws(() => decode(text.replace('"narSize":96', '"narSize":9')), { code: "invalid-path-info" });
});
