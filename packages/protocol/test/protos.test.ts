/* The .proto files: well-formed, what the generated code was made of, and nothing taken back of what was released. */

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { generateProtocol, runBuf } from "../../../dev/generate-protocol.ts";

const ROOT = join(import.meta.dirname, "../../..");

test("buf finds nothing to say about the .proto files", () => {
  assert.deepEqual(runBuf(ROOT, ["lint"]), { status: 0, said: "" });
});

test("nothing that was released is changed or taken back", () => {
  assert.deepEqual(runBuf(ROOT, ["breaking", "--against", "released.binpb"]), { status: 0, said: "" });
});

test("the generated code is what the .proto files say", () => {
  const scratch = mkdtempSync(join(tmpdir(), "firn-protocol-"));
  try {
    generateProtocol(ROOT, scratch);
    assert.deepEqual(contents(scratch), contents(join(ROOT, "packages/protocol/src/gen")));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});

function contents(dir: string): Record<string, string> {
  const names = readdirSync(dir, { recursive: true, encoding: "utf8" }).filter((name) =>
    statSync(join(dir, name)).isFile(),
  );
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(dir, name), "utf8")]));
}
