/* Caches that Debian's Nix made, read; and caches made here, read by it. */

import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { concatBytes } from "@firn/base";
import { generateSecretKey, parsePublicKey, parseStorePath } from "@firn/nix-compat";
import { renderNar, TrustedKeys, closureOf } from "@firn/store";
import { need } from "../../../dev/need.ts";
import { nixSandbox } from "../../nix-compat/test/nix.ts";
import { serve } from "../../gateway/test/served.ts";
import { chainStore, pathOf } from "../../store/test/small-store.ts";
import { openNixCache, publish } from "../src/index.ts";
import { bring, filesOf, serveFiles, tempDir } from "./caches.ts";

const nix = need("nix-store");

test(
  "what nix copy --to file:// made is read with every compression, from the directory and by HTTP",
  nix,
  async (t) => {
    const sandbox = nixSandbox();
    const dir = join(sandbox.directory, "tree");
    mkdirSync(join(dir, "bin"), { recursive: true });
    writeFileSync(join(dir, "bin", "program"), "#!/bin/sh\n", { mode: 0o755 });
    writeFileSync(join(dir, "big"), Buffer.alloc(1_000_000, "some bytes "));
    symlinkSync("bin/program", join(dir, "link"));
    const path = sandbox.run("nix-store", ["--add", dir]).toString().trim();
    const storePath = parseStorePath(path.slice("/nix/store/".length));
    const dump = new Uint8Array(sandbox.run("nix-store", ["--dump", join(sandbox.root, path)]));
    for (const compression of ["none", "xz", "zstd", "bzip2", "gzip", "br"]) {
      const cache = join(sandbox.directory, compression);
      sandbox.run("nix", ["copy", "--to", `file://${cache}?compression=${compression}`, path]);
      const server = await serveFiles(t, filesOf(cache));
      for (const url of [`file://${cache}`, server.url]) {
        using opened = openNixCache(`nix+${url}`);
        const { isThere, to } = await bring([storePath], [opened.cache], { trusted: new TrustedKeys([]) });
        assert.ok(isThere, `${compression} ${url}`);
        const info = await to.pathInfos.get(storePath.hashPart);
        assert.ok(info);
        assert.deepEqual(concatBytes(await Array.fromAsync(renderNar(info.node, to))), dump);
      }
    }
  },
);

test("a cache that Nix signed is trusted with the key it signed with", nix, async () => {
  const sandbox = nixSandbox();
  const [secret, open] = [join(sandbox.directory, "secret"), join(sandbox.directory, "public")];
  sandbox.run("nix-store", ["--generate-binary-cache-key", "k-1", secret, open]);
  // Without --add's content address only the signature counts.
  const cache = join(sandbox.directory, "cache");
  const store = await chainStore();
  using opened = openNixCache(`file://${cache}`);
  await publish([pathOf("d")], store, opened, { tempDir: sandbox.directory });
  sandbox.run("nix", [
    "store",
    "sign",
    "--store",
    `file://${cache}`,
    "--key-file",
    secret,
    "-r",
    pathOf("d").absolute(),
  ]);
  const { readFileSync } = await import("node:fs");
  const key = parsePublicKey(readFileSync(open, "utf8"));
  assert.ok((await bring([pathOf("d")], [opened.cache], { trusted: new TrustedKeys([key]) })).isThere);
  const other = (await generateSecretKey("k-1")).publicKey;
  assert.ok(!(await bring([pathOf("d")], [opened.cache], { trusted: new TrustedKeys([other]) })).isThere);
});

test("what is published, to a directory and to a server, Nix reads", nix, async (t) => {
  const store = await chainStore();
  const d = (await closureOf([pathOf("d")], store.pathInfos)).at(-1);
  assert.ok(d);
  const nar = concatBytes(await Array.fromAsync(renderNar(d.node, store)));
  const served = await serve(t);
  for (const compression of ["none", "zstd", "xz"]) {
    for (const url of [`file://${join(tempDir(t), "cache")}`, served.url]) {
      using opened = openNixCache(`${url}?compression=${compression}&write-nar-listing=1`);
      const { published } = await publish([d.path], store, opened, { tempDir: tempDir(t) });
      assert.equal(published.length, url === served.url && compression !== "none" ? 0 : 4);
      const to = nixSandbox();
      await to.runBeside("nix", ["copy", "--no-check-sigs", "--from", url, d.path.absolute()]);
      assert.deepEqual(new Uint8Array(to.run("nix-store", ["--dump", join(to.root, d.path.absolute())])), nar);
    }
  }
});

test("debug information is found by its build id as in a cache of Nix's, published or served", nix, async (t) => {
  const sandbox = nixSandbox();
  const tree = join(sandbox.directory, "tree");
  const below = join(tree, "lib", "debug", ".build-id");
  const id = (begin: string) => begin + "0123456789abcdef".repeat(3).slice(0, 40 - begin.length);
  const files = [
    `${id("ab")}.debug`,
    `${id("ac")}.debug`,
    `${id("ab")}.other`,
    `${id("AD")}.debug`,
    `${id("ae")}0.debug`,
  ];
  for (const name of files) {
    mkdirSync(join(below, name.slice(0, 2)), { recursive: true });
    writeFileSync(join(below, name.slice(0, 2), name.slice(2)), `debug information of ${name}`);
  }
  symlinkSync("../ab", join(below, "af"));
  symlinkSync(id("ac").slice(2), join(below, "ac", `${"1".repeat(38)}.debug`));
  const path = sandbox.run("nix-store", ["--add", tree]).toString().trim();
  const theirs = join(sandbox.directory, "theirs");
  sandbox.run("nix", ["copy", "--to", `file://${theirs}?compression=none&index-debug-info=1`, path]);
  const expected = new Map([...filesOf(theirs)].filter(([name]) => name.startsWith("debuginfo/")));
  assert.deepEqual(
    [...expected.keys()].sort(),
    [id("ab"), id("ac")].map((one) => `debuginfo/${one}.debug`),
  );

  const storePath = parseStorePath(path.slice("/nix/store/".length));
  const { to } = await bring([storePath], [openNixCache(`file://${theirs}`).cache]);
  const ours = join(sandbox.directory, "ours");
  using opened = openNixCache(`file://${ours}?compression=none&index-debug-info=1`);
  await publish([storePath], to, opened, { tempDir: tempDir(t) });
  assert.deepEqual(new Map([...filesOf(ours)].filter(([name]) => name.startsWith("debuginfo/"))), expected);

  const { url, failures, asked } = await serve(t);
  const absent = `${url}/debuginfo/${id("ab")}.debug`;
  assert.equal((await fetch(absent)).status, 404);
  await sandbox.runBeside("nix", ["copy", "--no-check-sigs", "--to", `${url}?index-debug-info=1`, path]);
  assert.equal(asked.filter((one) => one.startsWith("PUT /debuginfo/")).length, 2);
  const { url: later } = await serve(t, to);
  for (const [name, text] of expected)
    for (const address of [name, name.replace(".debug", "")]) {
      const response = await fetch(`${later}/${address}`);
      assert.equal(response.headers.get("content-type"), "application/json");
      const { archive, member } = (await response.json()) as { archive: string; member: string };
      assert.equal(member, JSON.parse(Buffer.from(text).toString()).member);
      const nar = await (await fetch(new URL(archive, `${later}/debuginfo/`))).text();
      assert.ok(nar.includes(`debug information of ${name.slice("debuginfo/".length)}`));
    }
  assert.equal((await fetch(`${later}/debuginfo/${id("ae")}.debug`)).status, 404);
  assert.deepEqual(failures, []);
});

test("from one store of ours to another by HTTP: contents that are there already do not travel", async (t) => {
  const store = await chainStore();
  const served = await serve(t, store);
  using opened = openNixCache(served.url);
  const first = await bring([pathOf("d")], [opened.cache]);
  assert.ok(first.isThere && first.bytes > 0);
  const second = { ...first.to, pathInfos: new (await import("@firn/store")).MemoryPathInfos() };
  const again = await bring([pathOf("d")], [opened.cache], { to: second });
  assert.deepEqual([again.isThere, again.bytes], [true, 0]);
});
