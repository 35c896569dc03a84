import assert from "node:assert/strict";
import { test } from "node:test";
import { need } from "../../../dev/need.ts";
import { killBuilds } from "./build-kills.ts";

test("killed builds leave nothing half-made, are recorded as what they are, and complete in the next run", {
  ...need("bwrap"),
}, async (t) => {
  const seed = Date.now() % 2 ** 31;
  t.diagnostic(`seed ${seed}`);
  const { clients, sandboxes } = await killBuilds(5, seed);
  assert.equal(clients + sandboxes, 5);
});
