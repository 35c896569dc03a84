/* Debian's Nix daemon as a store of Firn's: paths that Nix built come whole, paths of Firn's go there, and Nix knows them. */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { need } from "../../../dev/need.ts";
import { type RunningNixDaemon, startNixDaemon } from "./daemon.ts";
import { makeFirn } from "./firn.ts";
import { layTools, WITH_TOOLS } from "./nix-peer.ts";

const PACKAGES = `${WITH_TOOLS} rec {
  dep = sh "dep" "$b mkdir -p $out/sub; echo hi > $out/sub/f; $b ln -s sub/f $out/l; $b chmod +x $out/sub/f" { };
  top = sh "top" "echo \${dep} $out > $out; echo doc > $doc" { outputs = [ "out" "doc" ]; };
  late = sh "late" "echo from the daemon; echo \${top} > $out; echo doc > $doc" { outputs = [ "out" "doc" ]; };
  bad = sh "bad" "echo going wrong; exit 3" { };
}`;

describe("Nix's daemon as a store", { ...need("bwrap"), ...need("busybox"), ...need("nix-daemon") }, () => {
  const firn = makeFirn({ after });
  const { directory } = firn;
  let nix: RunningNixDaemon;
  let store: string;
  let top: string;

  before(async () => {
    layTools(directory);
    writeFileSync(join(directory, "packages.nix"), PACKAGES);
    nix = await startNixDaemon(directory);
    store = `daemon:${nix.socket}`;
    top = await said("nix-build", "packages.nix", "-A", "top", "--no-out-link");
  });
  after(() => nix.stop());

  const said = async (program: string, ...args: string[]): Promise<string> => {
    const { code, out, err } = await nix.run(program, ...args);
    assert.equal(code, 0, err);
    return out.trim();
  };
  const ours = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await firn.run(args);
    assert.equal(code, 0, err);
    return out.trim();
  };

  test("what Nix built comes with its closure, its hashes and its deriver", async () => {
    const copied = await ours("store", "copy", "--from", store, top);
    assert.deepEqual(copied.split("\n").sort(), (await said("nix-store", "-qR", top)).split("\n").sort());
    for (const info of JSON.parse(await ours("store", "path-info", "--json", ...copied.split("\n")))) {
      const [theirs] = JSON.parse(await said("nix", "path-info", "--json", info.path));
      for (const field of ["path", "narHash", "narSize", "references", "deriver"])
        assert.deepEqual(info[field], theirs[field], field);
    }
    await ours("store", "verify", "--nar");
    const again = JSON.parse(await ours("store", "copy", "--from", store, "--json", top));
    assert.deepEqual(again.copied, []);
  });

  test("what is in the daemon can be looked at without a copy", async () => {
    const [dep] = (await said("nix-store", "-q", "--references", top)).split("\n");
    assert.equal(await ours("store", "cat", "--store", store, `${dep}/sub/f`), "hi");
    assert.match(await ours("store", "ls", "-R", "--store", store, dep), /sub\/f/);
  });

  test("what Firn has goes there, and is what Nix would have added", async () => {
    writeFileSync(join(directory, "added.txt"), "added by Firn\n");
    const added = await ours("store", "add", "added.txt");
    await ours("store", "copy", "--to", store, added);
    const [info] = JSON.parse(await said("nix", "path-info", "--json", added));
    assert.equal(await said("nix-store", "--add", "added.txt"), added);
    const [theirs] = JSON.parse(await said("nix", "path-info", "--json", added));
    assert.deepEqual(info, theirs);
    await said("nix-store", "--verify", "--check-contents");
  });

  test("builds are left to it: derivations go there, outputs and logs come back", async () => {
    const flags = ["--builder", store, "--no-substitute", "--no-link"];
    const { code, out, err } = await firn.run(["build", "packages.nix", "-A", "late", "-A", "late.doc", ...flags]);
    assert.equal(code, 0, err);
    assert.match(err, /late> from the daemon\n/);
    const paths = await said("nix-build", "packages.nix", "-A", "late", "-A", "late.doc", "--no-out-link");
    assert.equal(out.trim(), paths);
    const [info] = JSON.parse(await ours("store", "path-info", "--json", paths.split("\n")[0]));
    assert.deepEqual(info.references, [top]);
    await ours("store", "verify", "--nar");
  });

  test("a build that fails there fails here, with its log and Nix's exit code", async () => {
    const flags = ["--builder", store, "--no-substitute", "--no-link"];
    const { code, err } = await firn.run(["build", "packages.nix", "-A", "bad", ...flags]);
    assert.equal(code, 100, err);
    assert.match(err, /bad> going wrong\n/);
    assert.match(err, /error: builder for '.*-bad\.drv' failed with exit code 3/);
    const other = await firn.run(["build", "packages.nix", "--builder", "memory:"]);
    assert.equal(other.code, 2, other.err);
  });

  test("a socket nobody listens on is said in one line", async () => {
    const { code, err } = await firn.run(["store", "copy", "--from", `daemon:${join(directory, "nothing")}`, "--all"]);
    assert.equal(code, 1);
    assert.match(err, /^error: cannot connect to the Nix daemon at '.*nothing': .*\n$/);
  });
});
