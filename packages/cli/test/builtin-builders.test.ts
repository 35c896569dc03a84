/* builtin:buildenv and builtin:unpack-channel make what those of Debian's Nix make, and refuse what they refuse. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { need, onPath } from "../../../dev/need.ts";
import { makeFirn } from "./firn.ts";
import { layTools, nixPeer, WITH_TOOLS } from "./nix-peer.ts";

const canBuild = {
  ...(onPath("bwrap") === undefined ? need("unshare") : {}),
  ...need("busybox"),
  ...need("nix-build"),
};

const ENVIRONMENTS = `${WITH_TOOLS}
let
  pkg = name: text: sh name "PATH=/; md() { $b mkdir -p \\"$@\\"; }; \${text}" { };
  env = pkgs: derivation {
    name = "env"; system = "builtin"; builder = "builtin:buildenv"; manifest = builtins.toFile "manifest" "x";
    derivations = map (p: [ (p.active or "true") (p.priority or 5) (builtins.length p.outs) ] ++ p.outs) pkgs;
  };
  one = pkg "one" "md $out/bin $out/lib/deep $out/nix-support $out/share/info $out/share/log $out/only; echo 1 > $out/bin/one; echo 1 > $out/bin/both; echo x > $out/lib/deep/f1; echo hidden > $out/.hidden; echo \${four} \${three} > $out/nix-support/propagated-user-env-packages; $b ln -s nowhere $out/bin/dangling; $b ln -s one $out/bin/uno; echo > $out/manifest.nix; echo > $out/only/1; echo > $out/share/info/dir; echo > $out/share/info/x; echo > $out/perllocal.pod; echo > $out/share/propagated-build-inputs";
  two = pkg "two" "md $out/bin $out/real/deep; echo 2 > $out/bin/both; $b ln -s real $out/lib; echo y > $out/real/deep/f2; $b ln -s \${three}/three $out/three; $b ln -s $out/real $out/only";
  three = pkg "three" "md $out/bin $out/three; echo 3 > $out/bin/both; echo 3 > $out/three/t";
  four = pkg "four" "md $out/bin $out/nix-support; echo 4 > $out/bin/four; echo \${five} > $out/nix-support/propagated-user-env-packages";
  five = pkg "five" "md $out/bin; echo 5 > $out/bin/five; echo 5 > $out/bin/four";
  file = pkg "file" "echo > $out";
  directory = pkg "directory" "md $out/x; echo > $out/x/y";
  other = pkg "other" "md $out; echo > $out/x";
in {
  good = {
    several = env [ { outs = [ one ]; } { outs = [ two ]; priority = 4; } { outs = [ three ]; priority = 10; } { outs = [ file ]; } ];
    higher = env [ { outs = [ one ]; priority = 3; } { outs = [ two ]; } { outs = [ other ]; active = "false"; } ];
    single = env [ { outs = [ three ]; } ];
    none = env [ ];
    kept = env [ { outs = [ directory ]; priority = 1; } { outs = [ other ]; priority = 2; } ];
  };
  conflict = env [ { outs = [ one ]; } { outs = [ two ]; } ];
  collision = env [ { outs = [ directory ]; priority = 2; } { outs = [ other ]; priority = 1; } ];
}`;

const CHANNELS = `
let unpack = src: channelName: derivation { builder = "builtin:unpack-channel"; system = "builtin"; name = "channel"; inherit src channelName; };
in {
  good = { gz = unpack ./top.tar.gz "nixpkgs"; xz = unpack ./top.tar.xz "a b"; bz2 = unpack ./top.tar.bz2 "x.y"; zst = unpack ./top.tar.zst "z"; };
  several = unpack ./several.tar "x"; empty = unpack ./empty.tar "x"; slash = unpack ./top.tar.gz "a/b";
}`;

describe("builders that are part of the command", canBuild, () => {
  const firn = makeFirn({ after });
  const { directory } = firn;
  layTools(directory);
  const nix = nixPeer(directory);
  const at = (...names: string[]) => join(directory, ...names);
  const build = (file: string, ...attrs: string[]) =>
    firn.run(["build", "--no-link", "-k", file, ...attrs.flatMap((attr) => ["-A", attr])]);

  const sameAsNix = async (file: string, names: readonly string[]) => {
    const select = names.flatMap((name) => ["-A", `good.${name}`]);
    const ours = await firn.run(["build", "--no-link", file, ...select]);
    assert.equal(ours.code, 0, ours.err);
    const paths = ours.out.trim().split("\n");
    assert.deepEqual(paths, nix.run("nix-build", "--no-out-link", file, ...select).split("\n"));
    const infos = JSON.parse((await firn.run(["store", "path-info", "--json", ...new Set(paths)])).out);
    for (const { path, references, narHash } of infos) {
      assert.equal(narHash, nix.run("nix", "hash", "to-sri", nix.run("nix-store", "-q", "--hash", path)), path);
      assert.deepEqual(references, nix.run("nix-store", "-q", "--references", path).split("\n").filter(Boolean).sort());
    }
    return ours.err;
  };

  before(() => {
    writeFileSync(at("environments.nix"), ENVIRONMENTS);
    writeFileSync(at("channels.nix"), CHANNELS);
    mkdirSync(at("channel", "top", "sub"), { recursive: true });
    writeFileSync(at("channel", "top", "default.nix"), "{ }\n");
    writeFileSync(at("channel", "top", "sub", "run"), "#!/bin/sh\n");
    chmodSync(at("channel", "top", "sub", "run"), 0o755);
    symlinkSync("../default.nix", at("channel", "top", "sub", "link"));
    const tar = (...args: string[]) => execFileSync("tar", args, { cwd: directory });
    for (const [flag, end] of [
      ["-z", "gz"],
      ["-J", "xz"],
      ["-j", "bz2"],
      ["--zstd", "zst"],
    ])
      tar("-c", flag, "-f", `top.tar.${end}`, "-C", "channel", "top");
    tar("-cf", "several.tar", "tools", "channel");
    tar("-cf", "empty.tar", "-T", "/dev/null");
  });

  test("environments are those of nix-build, file by file", async () => {
    const err = await sameAsNix("environments.nix", ["several", "higher", "single", "none", "kept"]);
    assert.match(err, /env> warning: skipping dangling symlink '\/nix\/store\/.*-env\/bin\/dangling'/);
    assert.match(err, /env> warning: not including '.*-file' in the user environment because it's not a directory/);
  });

  test("files that are in each other's way are refused", async () => {
    const { code, err } = await build("environments.nix", "conflict", "collision");
    assert.equal(code, 100, err);
    assert.match(err, /Unable to build profile[\s\S]*-(?:one|two)\/bin\/both/);
    const message = /collision between '.*-directory\/x' and non-directory '.*-other\/x'/;
    assert.match(err, message);
    assert.match(nix.fail("nix-build", "environments.nix", "-A", "collision"), message);
  });

  test("channels are those of nix-build, whatever they are packed with", async () => {
    await sameAsNix("channels.nix", ["gz", "xz", "bz2", "zst"]);
  });

  test("archives that are no channel are refused", async () => {
    const { code, err } = await build("channels.nix", "several", "empty", "slash");
    assert.equal(code, 100, err);
    assert.match(err, /channel tarball '.*-several\.tar' contains more than one file/);
    assert.match(err, /channel tarball '.*-empty\.tar' is empty/);
    assert.match(err, /channelName is not allowed to contain filesystem separators, got a\/b/);
  });
});
