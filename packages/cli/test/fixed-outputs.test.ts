/*
Fixed outputs are checked on a private copy. Builders of such may talk to the host's processes, so one could hand a writable descriptor of its output to a
process that outlives it. Here that process is the test: it opens the output while it is built, and writes when it is registered.
*/

import assert from "node:assert/strict";
import { closeSync, globSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { need, onPath } from "../../../dev/need.ts";
import { makeFirn } from "./firn.ts";
import { layTools, WITH_TOOLS } from "./nix-peer.ts";

const canBuild = { ...(onPath("bwrap") === undefined ? need("unshare") : {}), ...need("busybox") };

/** SHA-256 of "hello\n". */
const HASH = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";

describe("a descriptor that outlives the builder of a fixed output", canBuild, () => {
  const firn = makeFirn({ after });
  layTools(firn.directory);
  const expression = (name: string, text: string) => `${WITH_TOOLS}
    sh "${name}" "${text}" { outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "${HASH}"; }`;

  /** Opens the output for writing as soon as the builder made it, which waits for that. */
  const leak = async (name: string, text: string) => {
    const built = firn.run(["build", "-f", "-"], {
      stdin: expression(name, `${text}; $b sleep 1`),
      cwd: firn.directory,
    });
    const ended = built.then(() => true);
    for (;;) {
      const [path] = globSync(join(firn.directory, `state/builds/*/own/nix/store/*-${name}`));
      if (path !== undefined) return { descriptor: openSync(path, "r+"), built };
      const hasEnded = await Promise.race([ended, setTimeout(5, false)]);
      if (hasEnded) assert.fail((await built).err);
    }
  };

  test("cannot change what was registered", async () => {
    const { descriptor, built } = await leak("leaky", "echo hello > $out");
    const { code, out, err } = await built;
    assert.equal(code, 0, err);
    writeSync(descriptor, "HACKED", 0);
    closeSync(descriptor);
    assert.equal((await firn.run(["store", "cat", out.trim()])).out, "hello\n");
    assert.equal(readFileSync(join(firn.directory, "result"), "utf8"), "hello\n");
    assert.equal((await firn.run(["store", "verify"])).code, 0);
  });

  test("cannot make other contents pass the check, or be kept", async () => {
    const { descriptor, built } = await leak("false", "echo other > $out");
    const { code, err } = await built;
    writeSync(descriptor, "hello\n", 0);
    closeSync(descriptor);
    assert.equal(code, 102, err);
    assert.match(err, /hash mismatch in fixed-output derivation '.*-false\.drv'/);
  });
});
