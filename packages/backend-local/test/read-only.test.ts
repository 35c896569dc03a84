/* A store parts of which cannot be written to refuses what needs them, with its own code and the reason, and is sound when they can be again. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { temporaryDir } from "./odd-tree.ts";

const NOBODY = 65534;

test("what cannot be written to is refused with its reason, and leaves no damage", () => {
  using dir = temporaryDir();
  if (process.getuid?.() === 0) chownSync(dir.path, NOBODY, NOBODY);
  chmodSync(dir.path, 0o755);
  const script = join(import.meta.dirname, "read-only-child.ts");
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", script, dir.path],
    { encoding: "utf8" },
  );
  assert.equal(status, 0, stderr + stdout);
  const lines = stdout.trim().split("\n");
  const refused = new Set<string>();
  for (const line of lines) {
    const [part, what, said] = line.split(" ");
    if (part === "nothing") assert.equal(said, "ok", line);
    if (what === "findings") assert.equal(said, "0", line);
    else if (said !== "ok") {
      refused.add(part);
      assert.match(line, / storage: .*(?:read-only|not permitted|permission|EACCES)/i);
    }
  }
  assert.deepEqual([...refused].sort(), ["files", "index/data.mdb", "packs", "staging", "trees"], stdout);
});
