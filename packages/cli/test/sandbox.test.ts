/* What a builder may see and use, said on the command line; the sandboxes themselves have their own suites. */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { need, onPath } from "../../../dev/need.ts";
import { makeFirn } from "./firn.ts";

describe("sandboxes on the command line", onPath("bwrap") === undefined ? need("unshare") : {}, () => {
  const firn = makeFirn({ after });
  const build = (name: string, script: string, flags: readonly string[], more = "") => {
    const file = join(firn.directory, `${name}.nix`);
    const text = `derivation { name = "${name}"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" ''${script}'' ]; ${more} }`;
    writeFileSync(file, text);
    return firn.run(["build", "--no-link", ...flags, file]);
  };

  test("check names every kind and whether it works", async () => {
    const { code, out } = await firn.run(["sandbox", "check", "--json"]);
    assert.equal(code, 0);
    const { kinds } = JSON.parse(out) as { kinds: { kind: string; problem?: string }[] };
    assert.deepEqual(
      kinds.map(({ kind }) => kind),
      ["bubblewrap", "runc", "crun", "nspawn", "unshare", "none"],
    );
    assert.ok(kinds.some(({ problem }) => problem === undefined));
    const text = await firn.run(["sandbox", "check"]);
    assert.match(text.out, /^(bubblewrap|unshare) +works$/m);
  });

  test("paths of the host are shown where builders are to see them", async () => {
    writeFileSync(join(firn.directory, "shared"), "of the host\n");
    const shown = `/opt/shared=${join(firn.directory, "shared")}`;
    const script = "read x < /opt/shared && echo $x > $out";
    assert.equal((await build("unseen", script, [])).code, 100);
    const flag = await build("seen", script, ["--sandbox-path", shown, "--sandbox-path", "/no/such/file?"]);
    assert.equal(flag.code, 0, flag.err);
    const setting = await build("seen-too", script, ["--option", "sandbox-paths", `${shown} /no/such/file?`]);
    assert.equal(setting.code, 0, setting.err);
    assert.equal((await build("relative", script, ["--sandbox-path", "shared"])).code, 2);
  });

  test("a log may be as long as is said", async () => {
    const { code, err } = await build("chatty", "while :; do echo chat; done", ["--max-log-size", "1K"]);
    assert.equal(code, 100);
    assert.match(err, /said more than the 1024 bytes a log may have/);
  });

  test("features are those that are offered", async () => {
    const needsKvm = 'requiredSystemFeatures = [ "kvm" ];';
    const none = await build("without", "echo > $out", ["--option", "system-features", "benchmark"], needsKvm);
    assert.notEqual(none.code, 0);
    assert.match(none.err, /kvm/);
    const offered = await build("with", "echo > $out", ["--option", "system-features", "kvm"], needsKvm);
    assert.equal(offered.code, 0, offered.err);
    assert.equal((await build("range", "echo > $out", ["--option", "system-features", "uid-range"])).code, 2);
  });
});
