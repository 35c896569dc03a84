/* Builds that are checked: whether they come out the same, where not, and why. */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { need, onPath } from "../../../dev/need.ts";
import { makeFirn } from "./firn.ts";

describe("firn build --check", onPath("bwrap") === undefined ? need("unshare") : {}, () => {
  const firn = makeFirn({ after });
  const file = join(firn.directory, "default.nix");
  writeFileSync(
    file,
    `let build = name: script: more: derivation ({
       inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" script ]; PATH = "/bin:/usr/bin";
     } // more);
     in {
       same = build "same" "echo $PATH > $out" { };
       other = build "other" "mkdir $out; echo core $NIX_BUILD_CORES > $out/cores; echo in $PWD > $out/pwd; echo x > $out/same" { };
       count = build "count" "read a b < /proc/uptime; echo $a > $out" { };
       addressed = build "addressed" "echo $NIX_BUILD_CORES > $out; echo $out >> $out" {
         __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256";
       };
     }`,
  );

  test("what comes out the same is told so, however often it is built", async () => {
    const { code, out, err } = await firn.run(["build", "-A", "same", "--check=2"]);
    assert.equal(code, 0, err);
    assert.match(out, /-same\.drv: built 2 times more, came out the same\n$/);
    const { out: list } = await firn.run(["builds", "list", "--json"]);
    assert.equal(list.match(/"status":"succeeded"/g)?.length, 3);
  });

  test("what does not is told file by file, with what it looks like to be caused by, and ends with 104", async () => {
    const { code, out, err } = await firn.run(["build", "-A", "other", "--check"]);
    assert.equal(code, 104, err);
    assert.match(out, /-other\.drv: built once more, came out differently\n/);
    assert.match(out, /~ \/nix\/store\/[a-z0-9]{32}-other\/cores .*\n {6}bytes 5 to 6\n {6}looks like how many cores/);
    assert.match(out, /-other\/pwd .*\n {6}bytes .*\n {6}looks like the directory it is built in/);
    assert.doesNotMatch(out, /-other\/same/);
  });

  test("as data it has the same: builds, circumstances, ranges, causes", async () => {
    const { code, out } = await firn.run(["build", "-A", "other", "-A", "same", "--check", "--json", "-q"]);
    assert.equal(code, 104);
    const [other, same] = JSON.parse(out);
    assert.deepEqual([other.reproducible, same.reproducible], [false, true]);
    const [round] = other.rounds;
    assert.equal(round.buildDirectory, "/build-check-1");
    assert.deepEqual(
      round.differences.map(({ path, causes }: { path: string; causes: string[] }) => [path, causes]),
      [
        ["cores", ["cores"]],
        ["pwd", ["build-path"]],
      ],
    );
    const shown = await firn.run(["builds", "show", round.build, "--json"]);
    assert.equal(JSON.parse(shown.out).label, "other");
  });

  test("--rebuild changes nothing but the time", async () => {
    const { code, out } = await firn.run(["build", "-A", "other", "--rebuild"]);
    assert.deepEqual([code, /came out the same/.test(out)], [0, true]);
    const count = await firn.run(["build", "-A", "count", "--rebuild"]);
    assert.equal(count.code, 104);
  });

  test("outputs that go by their contents are compared as they were built", async () => {
    const flags = ["build", "-A", "addressed", "--extra-experimental-features", "ca-derivations"];
    const { code, out, err } = await firn.run([...flags, "--check"]);
    assert.equal(code, 104, err);
    assert.match(out, /bytes 0 to 1\n {6}looks like how many cores/);
    assert.equal((await firn.run([...flags, "--rebuild"])).code, 0);
  });
});
