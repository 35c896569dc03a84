/*
The suites as another user, where the tests are run by root: the files of this folder, run by Node under a uid that has no rights at all.
*/

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chown, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { need } from "../../../dev/need.ts";

const UID = 65_533;
const KINDS = { bubblewrap: "bwrap", unshare: "unshare", runc: "runc" } as const;

/** Why these tests cannot be run here, if so: whoever checked the project out may have kept it to himself. */
function obstacle(): { skip?: string } {
  if (process.getuid?.() !== 0) return { skip: "the other tests run as an ordinary user already" };
  const reads = as(["test", "-r", import.meta.filename, "-a", "-x", process.execPath]);
  return reads.status === 0 ? {} : { skip: `another user cannot read ${import.meta.dirname}` };
}

function as(command: readonly string[], home = "/") {
  const become = [`--reuid=${UID}`, `--regid=${UID}`, "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"];
  const { CI, PATH } = process.env;
  return spawnSync("setpriv", [...become, ...command], {
    encoding: "utf8",
    env: { CI, PATH, HOME: home, TMPDIR: home },
    cwd: "/",
    maxBuffer: 1 << 26,
  });
}

for (const [kind, command] of Object.entries(KINDS)) {
  const needed = need(command);
  test(`${kind} passes its suites as an ordinary user`, needed.skip === undefined ? obstacle() : needed, async () => {
    const home = await mkdtemp(join(tmpdir(), "firn-rootless-"));
    try {
      await chown(home, UID, UID);
      const file = join(import.meta.dirname, `${kind}.test.ts`);
      const { status, stdout, stderr } = as([process.execPath, "--test", "--test-reporter=tap", file], home);
      assert.equal(status, 0, stdout.match(/^ *not ok .*(\n .*)*/gm)?.join("\n") ?? stderr);
    } finally {
      await rm(home, { recursive: true });
    }
  });
}
