/* The binary cache as Debian's Nix sees it, both ways: what it copies is compared with what its own caches hold. */

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { concatBytes, streamOf } from "@firn/base";
import { generateSecretKey, makeFixedOutputPath, parseStorePath, type StorePath } from "@firn/nix-compat";
import { calculateNar, closureOf, MemoryRealisations, renderNar, type StoreServices, TrustedKeys } from "@firn/store";
import { need } from "../../../dev/need.ts";
import { type NixSandbox, nixSandbox } from "../../nix-compat/test/nix.ts";
import { chainStore, fileNode, pathOf } from "../../store/test/small-store.ts";
import { serve } from "./served.ts";

const nix = need("nix-store");

/** A closure of three paths in a store of Nix's: a text, a tree with links and programs, and what refers to both. */
function nixClosure(sandbox: NixSandbox): { readonly top: string; readonly tree: string } {
  const dir = join(sandbox.directory, "tree");
  mkdirSync(join(dir, "bin"), { recursive: true });
  mkdirSync(join(dir, "empty"));
  writeFileSync(join(dir, "bin", "program"), "#!/bin/sh\necho hello\n", { mode: 0o755 });
  writeFileSync(join(dir, "big"), Buffer.alloc(3_000_000, "some bytes "));
  writeFileSync(join(dir, "böse\nName"), "");
  symlinkSync("bin/program", join(dir, "link"));
  const tree = sandbox.run("nix-store", ["--add", dir]).toString().trim();
  const expression = `builtins.toFile "top" "refers to \${builtins.storePath ${tree}} and \${builtins.toFile "text" "some text"}"`;
  const top = JSON.parse(
    sandbox.run("nix-instantiate", ["--eval", "--json", "--read-write-mode", "--expr", expression]).toString(),
  ) as string;
  return { top, tree };
}

const storePath = (path: string): StorePath => parseStorePath(path.slice("/nix/store/".length));

async function closureSize(store: StoreServices, top: string): Promise<number> {
  return (await closureOf([storePath(top)], store.pathInfos)).length;
}

const bytesAt = async (url: string): Promise<Buffer> => {
  const response = await fetch(url, { headers: { "accept-encoding": "identity" } });
  assert.equal(response.status, 200, url);
  return Buffer.from(await response.arrayBuffer());
};

test("a closure that Nix copied here comes back to another store of Nix's the same", nix, async (t) => {
  const from = nixSandbox();
  const { top, tree } = nixClosure(from);
  const { url, failures, asked } = await serve(t);
  await from.runBeside("nix", ["copy", "--no-check-sigs", "--to", `${url}?write-nar-listing=1`, top]);
  assert.ok(asked.some((one) => /^PUT .*\.ls$/.test(one)));
  const to = nixSandbox();
  await to.runBeside("nix", ["copy", "--from", url, top]);
  for (const path of [top, tree]) {
    const dumps = [from, to].map(({ run, root }) => run("nix-store", ["--dump", join(root, path)]));
    assert.deepEqual(dumps[0], dumps[1]);
  }
  assert.deepEqual(failures, []);
});

test("Nix takes paths that our key signed, and none that it did not", nix, async (t) => {
  const key = await generateSecretKey("cache-1");
  const { url, store } = await serve(t, { keys: [key] });
  await chainStore(store);
  const to = nixSandbox();
  const copy = ["copy", "--from", url, pathOf("d").absolute(), "--option", "trusted-public-keys"];
  const other = await generateSecretKey("cache-1");
  await assert.rejects(to.runBeside("nix", [...copy, other.publicKey.toString()]), /signature/);
  await to.runBeside("nix", [...copy, key.publicKey.toString()]);
  const [d] = await closureOf([pathOf("d")], store.pathInfos).then((infos) =>
    infos.filter(({ path }) => path.equals(pathOf("d"))),
  );
  const nar = concatBytes(await Array.fromAsync(renderNar(d.node, store)));
  assert.deepEqual(new Uint8Array(to.run("nix-store", ["--dump", join(to.root, d.path.absolute())])), nar);
});

test("nix-store -r substitutes a closure from here", nix, async (t) => {
  const from = nixSandbox();
  const { top } = nixClosure(from);
  const key = await generateSecretKey("cache-1");
  const { url } = await serve(t, { keys: [key] });
  await from.runBeside("nix", ["copy", "--no-check-sigs", "--to", url, top]);
  const to = nixSandbox();
  const settings = ["--option", "substituters", url, "--option", "trusted-public-keys", key.publicKey.toString()];
  await to.runBeside("nix-store", ["-r", top, ...settings]);
  assert.equal(to.run("nix-store", ["-qR", top]).toString().trim().split("\n").length, 3);
});

test("NARs come in however Nix packs them", nix, async (t) => {
  const from = nixSandbox();
  const { top } = nixClosure(from);
  for (const compression of ["none", "xz", "zstd", "bzip2", "gzip", "br"]) {
    const { url, store } = await serve(t);
    await from.runBeside("nix", ["copy", "--no-check-sigs", "--to", `${url}?compression=${compression}`, top]);
    assert.equal(await closureSize(store, top), 3, compression);
  }
});

const parsed = (text: Buffer): unknown => JSON.parse(text.toString());

test("narinfos, listings and NARs are byte for byte those of a cache of Nix's", nix, async (t) => {
  const from = nixSandbox();
  const { top } = nixClosure(from);
  const dir = join(from.directory, "cache");
  from.run("nix", ["copy", "--to", `file://${dir}?compression=none&write-nar-listing=1`, top]);
  const { url } = await serve(t);
  await from.runBeside("nix", ["copy", "--no-check-sigs", "--to", url, top]);
  let compared = 0;
  for (const name of readdirSync(dir)) {
    // Nix 2.8 does not sort names of fields yet.
    if (name.endsWith(".ls"))
      assert.deepEqual(parsed(await bytesAt(`${url}/${name}`)), parsed(readFileSync(join(dir, name))));
    if (!name.endsWith(".narinfo")) continue;
    const [ours, theirs] = [(await bytesAt(`${url}/${name}`)).toString(), readFileSync(join(dir, name), "utf8")];
    const urlOf = (text: string) => /^URL: (.*)$/m.exec(text)?.[1] as string;
    assert.equal(ours.replace(urlOf(ours), ""), theirs.replace(urlOf(theirs), ""));
    assert.deepEqual(await bytesAt(`${url}/${urlOf(ours)}`), readFileSync(join(dir, urlOf(theirs))));
    compared++;
  }
  assert.equal(compared, 3);
});

test("nix store ls, nix store cat and nix path-info work on what is here", nix, async (t) => {
  const from = nixSandbox();
  const { top, tree } = nixClosure(from);
  const { url } = await serve(t);
  await from.runBeside("nix", ["copy", "--no-check-sigs", "--to", url, top]);
  const to = nixSandbox();
  const ls = await to.runBeside("nix", ["store", "ls", "--store", url, "-R", "--json", tree]);
  assert.equal((JSON.parse(ls.toString()) as { entries: { big: { size: number } } }).entries.big.size, 3_000_000);
  const cat = await to.runBeside("nix", ["store", "cat", "--store", url, `${tree}/bin/program`]);
  assert.match(cat.toString(), /echo hello/);
  const info = await to.runBeside("nix", ["path-info", "--store", url, "-r", top]);
  assert.equal(info.toString().trim().split("\n").length, 3);
});

test("nix log shows a log that was put here", nix, async (t) => {
  const from = nixSandbox();
  const { roots } = from.instantiate(
    'derivation { name = "logged"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo x >$out" ]; }',
  );
  const drvPath = roots[0];
  const kept = new Map<string, Uint8Array>();
  const { url } = await serve(t, {
    logs: {
      get: async (path) => {
        const log = kept.get(path.toString());
        return log && streamOf(log);
      },
      put: async (path, log) => void kept.set(path.toString(), concatBytes(await Array.fromAsync(log))),
    },
  });
  const log = ["log", drvPath, "--option", "substituters", url];
  await assert.rejects(from.runBeside("nix", log), /not available/);
  await fetch(`${url}/log/${drvPath.slice("/nix/store/".length)}`, { method: "PUT", body: "line 1\nline 2\n" });
  assert.equal((await from.runBeside("nix", log)).toString(), "line 1\nline 2\n");
});

test("Nix finds here what a derivation came out as whose outputs follow from their contents", nix, async (t) => {
  const from = nixSandbox();
  const expression = `let
    floating = name: script: derivation {
      inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" script ];
      __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256";
    };
  in floating "top" "cat \${floating "below" "exit 1"}; exit 1"`;
  const drvPath = from.instantiate(expression).roots[0];
  const key = await generateSecretKey("cache-1");
  const realisations = new MemoryRealisations();
  const { url, store } = await serve(t, { keys: [key], realisations });
  await from.runBeside("nix", ["copy", "--derivation", "--no-check-sigs", "--to", url, drvPath]);
  const node = await fileNode(store, "came out\n");
  const nar = await calculateNar(node, store);
  const hash = { algorithm: "sha256", bytes: nar.narSha256 } as const;
  const path = makeFixedOutputPath({ method: "nar", hash, name: "top", references: [], selfReference: false });
  const contentAddress = { method: "nar", hash } as const;
  await store.pathInfos.put([{ path, node, ...nar, references: [], contentAddress, signatures: [], registeredAt: 1 }]);
  await realisations.put([{ drvPath: storePath(drvPath), output: "out", path, signatures: [] }]);
  const settings = ["--option", "substituters", url, "--option", "trusted-public-keys", key.publicKey.toString()];
  const printed = await from.runBeside("nix-store", ["-r", drvPath, ...settings]);
  assert.equal(printed.toString().trim(), path.absolute());
  assert.equal(readFileSync(join(from.root, path.absolute()), "utf8"), "came out\n");
});

test("what follows from its contents comes in without a signature where one is asked for", nix, async (t) => {
  const from = nixSandbox();
  const { top } = nixClosure(from);
  const key = await generateSecretKey("builder-1");
  const { url, store } = await serve(t, { trusted: new TrustedKeys([key.publicKey]) });
  await from.runBeside("nix", ["copy", "--no-check-sigs", "--to", url, top]);
  assert.equal(await closureSize(store, top), 3);
});
