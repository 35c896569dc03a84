/*
Paths that come to clients of `firn daemon` from a binary cache: Debian's Nix is told beforehand what would be fetched and built, as by its own store, and then
it is so.
*/

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { need } from "../../../dev/need.ts";
import { type NixClient, nixClient, type RunningDaemon, startDaemon } from "./daemon.ts";
import { makeFirn } from "./firn.ts";
import { layTools, nixPeer, WITH_TOOLS } from "./nix-peer.ts";

const PACKAGES = `${WITH_TOOLS} rec {
  dep = sh "dep" "$b mkdir $out; $b seq 100000 > $out/numbers" { };
  top = sh "top" "echo \${dep} $out > $out; echo doc > $doc" { outputs = [ "out" "doc" ]; };
  own = sh "own" "echo \${dep} > $out" { allowSubstitutes = false; };
  further = sh "further" "echo \${top} \${own} > $out" { };
}`;

const canRun = { ...need("bwrap"), ...need("busybox"), ...need("nix-build") };

describe("a binary cache behind firn daemon", canRun, () => {
  const { directory } = makeFirn({ after });
  const cache = `file://${join(directory, "cache")}`;
  const packages = join(directory, "packages.nix");
  const peer = nixPeer(directory);
  const other = nixPeer(join(directory, "other"));
  const asked = [
    "--option",
    "substitute",
    "true",
    "--option",
    "substituters",
    cache,
    "--option",
    "require-sigs",
    "false",
  ];
  let daemon: RunningDaemon;
  let nix: NixClient;
  let top: string;
  let own: string;

  before(async () => {
    layTools(directory);
    mkdirSync(join(directory, "other"));
    writeFileSync(packages, PACKAGES);
    [top, own] = peer.run("nix-build", packages, "-A", "top", "-A", "own", "--no-out-link").split("\n");
    peer.run("nix", "copy", "--to", `${cache}?compression=xz`, top, own);
    daemon = await startDaemon(directory, "--substituters", cache, "--no-check-sigs");
    nix = nixClient(directory, daemon.storeDirectory, daemon.socket, "substituters =");
  });
  after(() => daemon.stop("SIGKILL"));

  /** What a client is told; the same as a Nix that asks the cache itself. */
  const told = async (program: string, ...args: string[]): Promise<string> => {
    const { code, err } = await nix.run(program, ...args);
    assert.equal(code, 0, err);
    assert.equal(err, other.fail(program, ...args, ...asked));
    return err;
  };

  test("what would be fetched is said with its sizes, and nothing is fetched for it", async () => {
    assert.match(await told("nix-store", "-r", "--dry-run", top), /^these 2 paths will be fetched \(.* unpacked\):\n/);
    const both = await told("nix-build", "--dry-run", packages, "-A", "further");
    assert.match(
      both,
      /^these 2 derivations will be built:\n.*-own\.drv\n.*-further\.drv\nthese 2 paths will be fetched/s,
    );
    const unknown = `/nix/store/${"0".repeat(32)}-unknown`;
    await told("nix-store", "-r", "--dry-run", unknown, top);
    const { code } = await nix.run("nix-store", "-q", "--hash", top);
    assert.equal(code, 1);
  });

  test("a client that wants nothing from elsewhere gets nothing", async () => {
    const alone = nixClient(directory, daemon.storeDirectory, daemon.socket);
    const { err } = await alone.run("nix-build", "--dry-run", packages, "-A", "further");
    assert.match(err, /^these 4 derivations will be built:\n/);
    assert.doesNotMatch(err, /fetched/);
    assert.equal((await alone.run("nix-store", "-r", top)).code, 1);
  });

  test("what is copied there comes from the cache where the client wants that", async () => {
    const local = join(directory, "nix-root");
    const flags = ["--no-check-sigs", "--option", "builders-use-substitutes", "true"]; // what Nix 2.8 makes of -s
    const copied = await nix.run("nix", "copy", ...flags, "--from", local, "--to", `unix://${daemon.socket}`, own);
    assert.equal(copied.code, 0, copied.err);
    assert.match(copied.err, new RegExp(`copying path '${own}' from '${cache}'`));
  });

  test("paths come from the cache, and only what it lacks is built", async () => {
    const { code, err } = await nix.run("nix-store", "-r", top);
    assert.equal(code, 0, err);
    assert.match(err, new RegExp(`copying path '${top}' from '${cache}'`));
    const shown = join(daemon.storeDirectory, top.slice("/nix/store/".length));
    assert.equal(readFileSync(shown, "utf8"), readFileSync(join(directory, "nix-root", top), "utf8"));
    const built = await nix.run("nix-build", packages, "-A", "further", "--no-out-link");
    assert.equal(built.code, 0, built.err);
    const names = [...built.err.matchAll(/building '.*-(\w+)\.drv'/g)].map(([, name]) => name);
    assert.deepEqual(names, ["further"]);
  });
});
