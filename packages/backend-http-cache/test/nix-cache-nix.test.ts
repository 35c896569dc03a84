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
