import assert from "node:assert/strict";
import { test } from "node:test";
import { type AttemptEnd, BuildError } from "@firn/build";
import { NixCompatError } from "@firn/nix-compat";
import { StoreError } from "@firn/store";
import { buildFailure, derivationFailure } from "../src/build-failure.ts";

const drvPath = "/nix/store/00000000000000000000000000000000-x.drv";

test("every end of an attempt has its words", () => {
  const cases: readonly (readonly [AttemptEnd, string])[] = [
    [{ reason: "exit-code", code: 2 }, "failed with exit code 2"],
    [{ reason: "signal", signal: "SIGSEGV" }, "failed due to signal SIGSEGV"],
    [{ reason: "timeout", afterMs: 1500 }, "timed out after 1.5 seconds"],
    [{ reason: "silence", afterMs: 1000 }, "timed out after 1 second of silence"],
    [{ reason: "out-of-memory" }, "ran out of memory"],
    [{ reason: "out-of-space", bytesMax: 4096 }, "ran out of build space: at most 4096 bytes are allowed"],
    [{ reason: "cancelled" }, "was cancelled"],
    [{ reason: "output-missing", path: "nix/store/o" }, "failed to produce output path '/nix/store/o'"],
    [
      { reason: "output-refused", path: "nix/store/o", why: "a socket" },
      "made an output '/nix/store/o' that cannot be stored: a socket",
    ],
    [{ reason: "infrastructure", why: "no disk" }, "could not be run to its end: no disk"],
  ];
  for (const [end, words] of cases) {
    const error = buildFailure(drvPath, "x", end, []);
    assert.equal(error.message, `builder for '${drvPath}' ${words}`);
    assert.equal(error.code, end.reason === "cancelled" ? "cancelled" : "build-failed");
    assert.equal(error.retryable, end.reason === "infrastructure");
    assert.equal(error.context.reason, end.reason);
  }
});

test("the log's end follows, decoded", () => {
  const { message } = buildFailure(drvPath, "x", { reason: "exit-code", code: 1 }, ["caf\xc3\xa9", ""]);
  assert.equal(message, `builder for '${drvPath}' failed with exit code 1;\nlast 2 log lines:\n> café\n> `);
});

test("what other rooms say about a derivation gets its code, what is about a store stays what it is", () => {
  const code = (thrown: unknown) => derivationFailure(drvPath, thrown)?.code;
  assert.equal(code(new BuildError("invalid-recipe", "x")), "invalid-derivation");
  assert.equal(code(new BuildError("missing-input", "x")), "missing-input");
  assert.equal(code(new BuildError("unsupported", "x")), "unsupported");
  assert.equal(code(new NixCompatError("unsupported-derivation", "x")), "unsupported");
  assert.equal(code(new NixCompatError("invalid-output", "x")), "invalid-derivation");
  assert.equal(code(new BuildError("sandbox", "x")), undefined);
  assert.equal(code(new StoreError("storage", "x")), undefined);
  assert.equal(code(new Error("x")), undefined);
});
