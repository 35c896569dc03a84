/*
`firn daemon --stdio` and `nix-store --serve` at the other end of ssh-ng:// and ssh://, as a store and as a remote builder of Debian's Nix, which runs what it
would run by ssh in a shell when the host is this one.
*/

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { need } from "../../../dev/need.ts";
import { nixAlone } from "./daemon.ts";
import { makeFirn } from "./firn.ts";
import { layTools, WITH_TOOLS } from "./nix-peer.ts";

const NG = "ssh-ng://localhost";
const LEGACY = "ssh://localhost?remote-program=firn-nix-store";

describe("Nix by ssh", { ...need("bwrap"), ...need("busybox"), ...need("nix-build") }, () => {
  const firn = makeFirn({ after });
  const { directory } = firn;
  const nix = nixAlone(directory);

  before(() => {
    layTools(directory);
    const text = `{ salt }: ${WITH_TOOLS} sh "remote" "echo built elsewhere; echo \${salt} > $out" { }`;
    writeFileSync(join(directory, "remote.nix"), text);
    writeFileSync(join(directory, "added.txt"), "added\n");
  });

  const said = async (program: string, ...args: string[]): Promise<string> => {
    const { code, out, err } = await nix.run(program, ...args);
    assert.equal(code, 0, err);
    return out.trim();
  };

  for (const store of [NG, LEGACY]) {
    test(`copies to ${store} and back`, async () => {
      const path = await said("nix-store", "--add", store === NG ? "added.txt" : "remote.nix");
      await said("nix", "copy", "--to", store, path);
      const [there] = JSON.parse(await said("nix", "path-info", "--json", "--store", store, path));
      const [here] = JSON.parse(await said("nix", "path-info", "--json", path));
      assert.equal(there.narHash, here.narHash);
      await said("nix", "store", "delete", path);
      await said("nix", "copy", "--no-check-sigs", "--from", store, path);
      await said("nix-store", "--verify-path", path);
    });

    test(`builds on ${store} what it may not build here`, async () => {
      const salt = ["--argstr", "salt", store];
      const builders = ["-j0", "--builders", `${store} x86_64-linux - 1 1`, "--no-out-link"];
      const { code, out, err } = await nix.run("nix-build", "remote.nix", ...salt, ...builders);
      assert.equal(code, 0, err);
      assert.match(err, /building '.*-remote\.drv' on 'ssh/);
      assert.match(err, /built elsewhere/);
      assert.ok((await said("nix-store", "--dump", out.trim())).includes(`${store}\n`));
      const { out: builds } = await firn.run(["builds", "list"]);
      assert.match(builds, /succeeded .* remote$/m);
    });
  }

  test("reads files there by ssh-ng", async () => {
    const path = await said("nix-store", "--add", "added.txt");
    await said("nix", "copy", "--to", NG, path);
    assert.equal(await said("nix", "store", "cat", "--store", NG, path), "added");
  });

  test("a socket and standard input exclude each other", async () => {
    const { code, err } = await firn.run(["daemon", "--stdio", "--socket", "x"]);
    assert.equal(code, 2, err);
  });
});
