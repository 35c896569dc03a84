/* A few thousand of the inputs that slow-daemon-fuzz.ts makes as many of as one likes, others in every run; it prints the seed, which we show when it fails. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

test("damaged bytes of Nix's worker protocol are refused or read, and the daemon serves the next client", () => {
  const script = join(import.meta.dirname, "slow-daemon-fuzz.ts");
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, "5000"], { encoding: "utf8" });
  assert.equal(status, 0, `${stdout}${stderr}`);
  assert.match(stdout, /conversations: 50,/);
});
