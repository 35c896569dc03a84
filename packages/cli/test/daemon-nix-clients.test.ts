/*
Debian's Nix as a client of `firn daemon`: builds, queries, copies, garbage. What it makes and says is what it makes and says on a store of its own.
*/

import assert from "node:assert/strict";
import { existsSync, lstatSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { DaemonConnection } from "@firn/backend-nix-daemon";
import { type Derivation, parseAbsoluteStorePath, printDerivation } from "@firn/nix-compat";
import { need } from "../../../dev/need.ts";
import { type NixClient, nixClient, type RunningDaemon, startDaemon } from "./daemon.ts";
import { makeFirn } from "./firn.ts";
import { layTools, nixPeer, WITH_TOOLS } from "./nix-peer.ts";

const PACKAGES = `${WITH_TOOLS} rec {
  dep = sh "dep" "echo one; $b mkdir -p $out/sub; echo hi > $out/sub/f; $b ln -s sub/f $out/l; $b chmod +x $out/sub/f" { };
  top = sh "top" "echo building top; $b cat \${dep}/l; echo \${dep} $out > $out; echo doc > $doc" { outputs = [ "out" "doc" ]; };
  bad = sh "bad" "echo going wrong; exit 3" { };
  needsBad = sh "needs-bad" "echo \${bad} > $out" { };
  shared = sh "shared" "echo started; $b sleep 3; echo done > $out" { };
  slow = sh "slow" "echo started; $b sleep 1000" { };
  fixed = sh "fixed" "echo hello > $out" { outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"; };
  floating = sh "floating" "$b mkdir $out; echo \${dep}; echo \${contents} > $out/x; echo doc > $doc" (ca // { outputs = [ "out" "doc" ]; });
  contents = sh "contents" "echo hello > $out" ca;
  carried = sh "carried" "echo \${contents} carried > $out" ca;
  deferred = sh "deferred" "echo \${floating} > $out" { };
  wrong = sh "wrong" "echo other > $out" { outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"; };
}`;

const canRun = { ...need("bwrap"), ...need("busybox"), ...need("nix-build") };

describe("Nix as a client of firn daemon", canRun, () => {
  const firn = makeFirn({ after });
  const { directory } = firn;
  const peer = nixPeer(directory);
  let daemon: RunningDaemon;
  let nix: NixClient;
  let stranger: NixClient;
  let top: string;

  before(async () => {
    layTools(directory);
    writeFileSync(join(directory, "packages.nix"), PACKAGES);
    daemon = await startDaemon(directory);
    nix = nixClient(directory, daemon.storeDirectory, daemon.socket);
    stranger = nixClient(directory, daemon.storeDirectory, daemon.untrustedSocket);
  });
  after(() => daemon.stop("SIGKILL"));

  /** What a client prints; it must succeed. */
  const said = async (program: string, ...args: string[]): Promise<string> => {
    const { code, out, err } = await nix.run(program, ...args);
    assert.equal(code, 0, err);
    return out.trim();
  };
  /** Both on Firn's daemon and on Nix's own store. */
  const same = async (program: string, ...args: string[]): Promise<string> => {
    const ours = await said(program, ...args);
    assert.equal(ours, peer.run(program, ...args));
    return ours;
  };

  test("nix-build builds through it what it builds by itself, with its log and a root", async () => {
    const link = ["-o", "result"];
    const { code, out, err } = await nix.run("nix-build", "packages.nix", "-A", "top", ...link);
    assert.equal(code, 0, err);
    for (const line of ["one", "building top", "hi"]) assert.ok(err.includes(`\n${line}\n`), err);
    assert.match(err, /building '\/nix\/store\/.*-top\.drv'\.\.\./);
    top = out.trim();
    assert.equal(top, peer.run("nix-build", "packages.nix", "-A", "top", "-o", "peer-result"));
    assert.equal(readlinkSync(join(directory, "result")), top);
    const shown = join(daemon.storeDirectory, top.slice("/nix/store/".length));
    assert.equal(readFileSync(shown, "utf8"), readFileSync(join(directory, "nix-root", top), "utf8"));
    assert.equal(lstatSync(shown).mtimeMs, 1000);
    const again = await nix.run("nix-build", "packages.nix", "-A", "top", "--no-out-link");
    assert.deepEqual({ ...again, err: "" }, { code: 0, out: `${top}\n`, err: "" });
    assert.ok(!again.err.includes("building"), again.err);
  });

  test("queries are answered as by Nix's own store", async () => {
    const drv = await same("nix-store", "-q", "--deriver", top);
    const [dep] = (await same("nix-store", "-q", "--references", top)).split("\n");
    for (const query of ["--references", "--requisites", "--hash", "--size", "--tree", "--graph", "--outputs"]) {
      const operand = query === "--outputs" ? drv : top;
      await same("nix-store", "-q", query, operand);
    }
    await same("nix-store", "-q", "--referrers", dep);
    await same("nix-store", "-q", "--referrers-closure", dep);
    await same("nix-store", "-q", "--requisites", "--include-outputs", drv);
    await same("nix-store", "-q", "--binding", "name", drv);
    await same("nix", "path-info", "-rsSh", top);
    await same("nix", "show-derivation", "-r", top);
    await same("nix", "store", "ls", "-lR", dep);
    await same("nix", "store", "cat", `${dep}/sub/f`);
    const [info] = JSON.parse(await said("nix", "path-info", "--json", top));
    const [theirs] = JSON.parse(peer.run("nix", "path-info", "--json", top));
    // Firn does not keep what was built here apart from what was brought.
    const { ultimate: _, ...others } = theirs;
    assert.deepEqual({ ...info, registrationTime: 0 }, { ...others, registrationTime: 0 });
    assert.match(await said("nix-store", "-q", "--roots", top), /result/);
  });

  test("what clients add has the path Nix gives it", async () => {
    writeFileSync(join(directory, "added.txt"), "added\n");
    await same("nix-store", "--add", "added.txt");
    await same("nix-store", "--add", "tools");
    await same("nix-store", "--add-fixed", "sha1", "added.txt");
    await same("nix-store", "--add-fixed", "--recursive", "sha512", "added.txt");
    await same("nix-instantiate", "packages.nix", "-A", "needsBad");
    const expression = 'builtins.toFile "text" "refers to ${builtins.toFile "other" "x"}"';
    await same("nix-instantiate", "--eval", "--read-write-mode", "-E", expression);
  });

  test("nix build yields outputs for its links, and a failure with the end of its log", async () => {
    const out = await said("nix", "build", "-f", "packages.nix", "top", "fixed", "--json", "--out-link", "new");
    const theirs = peer.run("nix", "build", "-f", "packages.nix", "top", "fixed", "--json", "--no-link");
    const byDrv = (json: string) =>
      Object.fromEntries(JSON.parse(json).map((row: { drvPath: string }) => [row.drvPath, row]));
    assert.deepEqual(byDrv(out), byDrv(theirs));
    assert.equal(readlinkSync(join(directory, "new")), top);
    const bad = await nix.run("nix", "build", "-f", "packages.nix", "needsBad", "--no-link");
    assert.equal(bad.code, 1);
    assert.match(bad.err, /builder for '.*-bad\.drv' failed with exit code 3;\n.*last 1 log lines:\n.*> going wrong/s);
    const wrong = await nix.run("nix-build", "packages.nix", "-A", "wrong", "--no-out-link");
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, /hash mismatch in fixed-output derivation/);
  });

  test("derivations addressed by contents are built and asked for, by the names of older clients too", async () => {
    await same("nix-build", "packages.nix", "-A", "floating", "-A", "deferred", "--no-out-link");
    const again = await nix.run("nix-build", "packages.nix", "-A", "floating", "-A", "deferred", "--no-out-link");
    assert.ok(!again.err.includes("building"), again.err);
    const outputs = async (run: (program: string, ...args: string[]) => Promise<string> | string) =>
      JSON.parse(await run("nix", "build", "-f", "packages.nix", "floating", "--json", "--no-link"));
    assert.deepEqual(await outputs(said), await outputs(peer.run));
  });

  test("what a derivation came out as elsewhere comes with its output", async () => {
    const out = peer.run("nix-build", "packages.nix", "-A", "carried", "--no-out-link");
    await same("nix-instantiate", "packages.nix", "-A", "carried");
    peer.run("nix", "copy", "--no-check-sigs", "--to", `unix://${daemon.socket}`, "-f", "packages.nix", "carried");
    const built = await nix.run("nix-build", "packages.nix", "-A", "carried", "--no-out-link");
    assert.equal(built.out.trim(), out, built.err);
    assert.ok(!built.err.includes("building"), built.err);
  });

  test("a build that two clients wait for goes on when one is killed", async () => {
    const flags = ["packages.nix", "-A", "shared", "--no-out-link"];
    const first = nix.start("nix-build", ...flags);
    await new Promise<void>((resolve) => {
      first.stderr?.setEncoding("utf8").on("data", (text: string) => text.includes("started") && resolve());
    });
    const second = nix.run("nix-build", ...flags);
    await new Promise((resolve) => setTimeout(resolve, 500));
    first.kill("SIGKILL");
    const { code, out, err } = await second;
    assert.equal(code, 0, err);
    assert.match(out, /-shared\n$/);
    const { out: builds } = await firn.run(["builds", "list", "--json"]);
    const attempts = JSON.parse(builds).attempts.filter(({ label }: { label: string }) => label === "shared");
    assert.deepEqual(
      attempts.map(({ status }: { status: string }) => status),
      ["succeeded"],
    );
  });

  test("a client that is killed ends its build", async () => {
    const child = nix.start("nix-build", "packages.nix", "-A", "slow", "--no-out-link");
    let err = "";
    const isRunning = new Promise<void>((resolve) => {
      child.stderr?.setEncoding("utf8").on("data", (text: string) => {
        err += text;
        if (err.includes("started")) resolve();
      });
    });
    await isRunning;
    child.kill("SIGKILL");
    const cancelled = async () => {
      const { out } = await firn.run(["builds", "list", "--json"]);
      return JSON.parse(out).attempts.find(({ label }: { label: string }) => label === "slow")?.end?.reason;
    };
    const deadline = Date.now() + 20_000;
    let reason = await cancelled();
    while (reason === undefined && Date.now() < deadline) reason = await cancelled();
    assert.equal(reason, "cancelled");
  });

  test("clients nobody trusts build, but neither repair nor see where roots are", async () => {
    const built = await stranger.run(
      "nix-build",
      "packages.nix",
      "-A",
      "fixed",
      "--no-out-link",
      "--option",
      "cores",
      "1",
    );
    assert.equal(built.code, 0, built.err);
    const { out } = await stranger.run("nix-store", "--gc", "--print-roots");
    assert.match(out, /^\{censored\} -> \/nix\/store\/.*-top$/m);
    assert.ok(!out.includes(directory), out);
    const repair = await stranger.run("nix-store", "--verify", "--check-contents", "--repair");
    assert.equal(repair.code, 1);
    assert.match(repair.err, /you are not privileged to repair paths/);
    const setting = await stranger.run("nix-store", "--verify", "--option", "sandbox", "false");
    assert.match(setting.err, /ignoring the client-specified setting 'sandbox'/);
  });

  test("a file of the machine that builds is fetched for no client, whatever its hash", async () => {
    writeFileSync(join(directory, "host-file"), "hello\n");
    const hash = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    const expression = `import <nix/fetchurl.nix> { url = "file://${join(directory, "host-file")}"; sha256 = "${hash}"; }`;
    for (const client of [stranger, nix]) {
      const { code, out, err } = await client.run("nix-build", "--no-out-link", "-E", expression);
      assert.deepEqual([code !== 0, out], [true, ""], err);
      assert.match(err, /files of the machine that builds are not fetched for its clients/);
    }
  });

  test("a derivation that claims an output path which does not follow from it is not built for any client", async () => {
    const victim = `/nix/store/${"v".repeat(32)}-victim`;
    const inputAddressed = { kind: "input-addressed", path: victim, hashAlgorithm: "", hash: "" } as const;
    const forged: Derivation = {
      name: "victim",
      outputs: new Map([["out", inputAddressed]]),
      inputDrvs: new Map(),
      inputSrcs: [],
      system: "x86_64-linux",
      builder: "/bin/sh",
      args: ["-c", "echo forged > $out"],
      env: new Map([["out", victim]]),
    };
    for (const socket of [daemon.untrustedSocket, daemon.socket]) {
      const connection = await DaemonConnection.open(socket, { storeDir: "/nix/store" });
      try {
        const text = printDerivation(forged);
        const path = await connection.call("addTextToStore", { name: "victim.drv", text, references: [] });
        const targets = [{ path, outputs: "all" as const }];
        await assert.rejects(connection.call("buildPaths", { targets, mode: "normal" }), /incorrect output/);
        assert.equal(await connection.call("isValidPath", { path: parseAbsoluteStorePath(victim) }), false);
      } finally {
        connection.close();
      }
    }
  });

  test("no client is told where a link of the machine leads that is no root", async () => {
    symlinkSync("/somebody/else/secret", join(directory, "private-link"));
    const connection = await DaemonConnection.open(daemon.untrustedSocket, { storeDir: "/nix/store" });
    try {
      await assert.rejects(connection.call("addIndirectRoot", { link: join(directory, "private-link") }), (thrown) => {
        assert.match(String(thrown), /is to be a root, but does not lead into '\/nix\/store'/);
        assert.doesNotMatch(String(thrown), /somebody/);
        return true;
      });
    } finally {
      connection.close();
    }
  });

  test("nix copy takes closures out and in; unsigned ones only from who is trusted", async () => {
    const cache = `file://${join(directory, "cache")}`;
    await said("nix", "copy", "--to", cache, top);
    const local = `${join(directory, "nix-root")}`;
    peer.run("nix-build", "packages.nix", "-A", "fixed", "--no-out-link");
    rmSync(join(directory, "result"));
    for (const link of ["new", "new-1"]) rmSync(join(directory, link));
    await said("nix-store", "--gc");
    assert.ok(!existsSync(join(daemon.storeDirectory, top.slice("/nix/store/".length))));
    const refused = await stranger.run("nix", "copy", "--no-check-sigs", "--from", cache, top);
    assert.equal(refused.code, 1);
    assert.match(refused.err, /lacks a signature by a trusted key/);
    await said("nix", "copy", "--no-check-sigs", "--from", cache, top);
    await same("nix-store", "-q", "--tree", top);
    const added = peer.run("nix-store", "--add", "added.txt");
    const copied = await stranger.run(
      "nix",
      "copy",
      "--from",
      local,
      "--to",
      `unix://${daemon.untrustedSocket}`,
      added,
    );
    assert.equal(copied.code, 0, copied.err);
    await same("nix-store", "-q", "--hash", added);
    await said("nix-store", "--verify", "--check-contents");
  });

  test("garbage goes, what a link holds stays, and the files follow", async () => {
    const held = await said("nix-store", "-r", top, "--add-root", join(directory, "held"));
    assert.match(held, /held/);
    const dead = await said("nix-store", "--gc", "--print-dead");
    assert.ok(!dead.includes(top) && dead.includes("added.txt"), dead);
    const live = await said("nix-store", "--gc", "--print-live");
    assert.ok(live.includes(top) && !live.includes("added.txt"), live);
    const refused = await nix.run("nix-store", "--delete", top);
    assert.equal(refused.code, 1);
    await said("nix-store", "--gc");
    const at = (path: string) => join(daemon.storeDirectory, path.slice("/nix/store/".length));
    assert.ok(existsSync(at(top)));
    for (const path of dead.split("\n")) assert.ok(!existsSync(at(path)), path);
    rmSync(join(directory, "held"));
    await said("nix-store", "--gc");
    assert.equal(await said("nix-store", "--gc", "--print-live"), "");
  });

  test("it stops when it is told to, and leaves no socket", async () => {
    const { code, err } = await daemon.stop();
    assert.equal(code, 0, err);
    assert.ok(!existsSync(daemon.socket) && !existsSync(daemon.untrustedSocket));
  });
});
