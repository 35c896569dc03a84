/* A few thousand of the inputs that slow-fuzz.ts makes as many of as one likes, others in every run; it prints the seed, which we show when it fails. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

test("damaged NARs, narinfos, derivations, keys, archives and directories are refused or read, and nothing else", () => {
  const script = join(import.meta.dirname, "slow-fuzz.ts");
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, "5000"], { encoding: "utf8" });
  assert.equal(status, 0, `${stdout}${stderr}`);
  for (const what of ["NAR", "narinfo", "ATerm", "keys", "directory"])
    assert.match(stdout, new RegExp(`^${what}`, "m"));
});
