import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { parsePackages } from "../debian.ts";
import { missing, need, onPath } from "../need.ts";
import { findTests } from "../test.ts";

const scratch = mkdtempSync(join(tmpdir(), "firn-test-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** Runs `work` with CI set to `value`, and puts back what it was. */
function withCi<T>(value: string, work: () => T): T {
  const before = process.env.CI;
  process.env.CI = value;
  try {
    return work();
  } finally {
    if (before === undefined) delete process.env.CI;
    else process.env.CI = before;
  }
}

test("test files are found by name and place, and narrowed by words", () => {
  const files = [
    "packages/eval/test/deep/b.test.ts",
    "packages/base/test/a.test.ts",
    "packages/base/test/slow-c.ts",
    "packages/base/src/d.test.ts",
    "packages/base/node_modules/x/test/e.test.ts",
    "conformance/f.test.ts",
    "examples/hello/g.test.ts",
    "dev/test/h.test.ts",
  ];
  for (const file of files) {
    mkdirSync(join(scratch, dirname(file)), { recursive: true });
    writeFileSync(join(scratch, file), "");
  }
  assert.deepEqual(findTests(scratch, []), [
    "conformance/f.test.ts",
    "dev/test/h.test.ts",
    "examples/hello/g.test.ts",
    "packages/base/test/a.test.ts",
    "packages/eval/test/deep/b.test.ts",
  ]);
  assert.deepEqual(findTests(scratch, ["packages/eval", "examples"]), [
    "examples/hello/g.test.ts",
    "packages/eval/test/deep/b.test.ts",
  ]);
});

test("a list of Debian packages has one a line and comments", () => {
  assert.deepEqual(parsePackages("# why\n\nnix-bin   # reference\nbubblewrap\n"), ["nix-bin", "bubblewrap"]);
});

test("a command that is there is no reason to skip", () => {
  assert.deepEqual(need("sh"), {});
  assert.match(onPath("sh") ?? "", /\/sh$/);
});

test("a missing command skips with its name, and fails where CI is true", () => {
  assert.deepEqual(
    withCi("", () => need("no-such-command")),
    { skip: "no no-such-command on PATH" },
  );
  withCi("true", () => {
    assert.throws(() => need("no-such-command"), /no no-such-command on PATH, and with CI=true/);
    assert.throws(() => missing("no kernel support"), /no kernel support/);
  });
});
