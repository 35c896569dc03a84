import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { SharedRoots } from "../src/job-root.ts";
import { sweepJobSpaces } from "../src/job-space.ts";

const NO_PROCESS = 2 ** 22 + 1; // no process has that id

test("what a killed process left is removed by several who come at once, and what is alive stays", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "firn-space-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  for (const name of [`job-${NO_PROCESS}-left`, `job-${NO_PROCESS}-other`, `job-${process.pid}-mine`]) {
    for (let i = 0; i < 100; i++) mkdirSync(join(dir, name, "root", `d${i}`), { recursive: true });
    writeFileSync(join(dir, name, "launch"), "");
  }
  await Promise.all(Array.from({ length: 4 }, () => sweepJobSpaces(dir)));
  assert.deepEqual(readdirSync(dir), [`job-${process.pid}-mine`]);
});

test("roots of before the machine came up are removed by several who come at once", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "firn-roots-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  for (const name of ["gone-1", "gone-2"])
    for (let i = 0; i < 100; i++) mkdirSync(join(dir, name, `d${i}`), { recursive: true });
  await Promise.all(Array.from({ length: 4 }, () => new SharedRoots(dir).sweep()));
  assert.deepEqual(readdirSync(dir), []);
});
