import assert from "node:assert/strict";
import { mkdtempSync, rmSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { SeenWorking } from "../src/seen-working.ts";

const work = mkdtempSync(join(tmpdir(), "firn-seen-"));
after(() => rmSync(work, { recursive: true }));

test("what was seen to work counts for the same kind and program, until it is a day old or forgotten", () => {
  const file = join(work, "seen");
  const seen = new SeenWorking(file, "one", "sh");
  assert.equal(seen.isSeen(), false);
  seen.note();
  assert.equal(seen.isSeen(), true);
  assert.equal(new SeenWorking(file, "another", "sh").isSeen(), false);
  assert.equal(new SeenWorking(file, "one", "env").isSeen(), false);
  const before = Date.now() / 1000 - 25 * 3600;
  utimesSync(file, before, before);
  assert.equal(seen.isSeen(), false);
  seen.note();
  assert.equal(seen.isSeen(), true);
  seen.forget();
  assert.equal(seen.isSeen(), false);
});
