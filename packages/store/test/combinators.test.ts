/* Combinators over path infos: each keeps the contract, and does what it is for. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  CastoreError,
  EMPTY_DIGEST,
  MemoryBlobs,
  MemoryDirectories,
  naming,
  type Node,
  retrying,
  tracing,
} from "@firn/castore";
import { generateSecretKey, makeFixedOutputPath, parseSecretKey, StorePath } from "@firn/nix-compat";
import {
  CachedPathInfos,
  calculateNar,
  closureOf,
  inRegistrationOrder,
  InterceptedPathInfos,
  MemoryPathInfos,
  type PathInfo,
  type PathInfoService,
  readOnlyPathInfos,
  RenderingCalculator,
  signPathInfo,
  StoreError,
  SigningPathInfos,
  TieredPathInfos,
  TrustedKeys,
  VerifiedPathInfos,
} from "@firn/store";
import { pathInfoServiceContract } from "@firn/store/contract";

const KEY = parseSecretKey(
  "do.not.use:sGPzxuK5WvWPraytx+6sjtaff866sYlfvErE6x0hFEhy5eqe7OVZ8ZMqZ/ME/HaRdKGNGvJkyGKXYTaeA6lR3A==",
);
const close = async () => {};

const interceptors = [
  ["a trace", tracing({ instance: "x", now: () => 0, sink: () => undefined })],
  ["a retry", retrying({ delayMs: 0.1 })],
  ["a name", naming("path infos 'x'")],
] as const;
for (const [name, interceptor] of interceptors) {
  pathInfoServiceContract(`${name} over memory`, async () => ({
    pathInfos: new InterceptedPathInfos(new MemoryPathInfos(), interceptor),
    close,
  }));
}
pathInfoServiceContract("a cache", async () => ({
  pathInfos: new CachedPathInfos(new MemoryPathInfos(), new MemoryPathInfos()),
  close,
}));
pathInfoServiceContract("tiers", async () => {
  const sources = [readOnlyPathInfos(new MemoryPathInfos()), new MemoryPathInfos()];
  return { pathInfos: new TieredPathInfos(sources), close };
});
pathInfoServiceContract("memory that forgets", async () => ({
  pathInfos: new MemoryPathInfos(undefined, 1000),
  close,
}));

const services = () => ({ blobs: new MemoryBlobs(), directories: new MemoryDirectories() });
/** Signing adds signatures, which the contract does not expect back: they are taken off again. */
function withoutSignatures(inner: PathInfoService): PathInfoService {
  const strip = (info: PathInfo) => ({
    ...info,
    signatures: info.signatures.filter(({ keyName }) => keyName !== KEY.name),
  });
  return {
    supports: inner.supports,
    get: async (hashPart, options) => {
      const info = await inner.get(hashPart, options);
      return info && strip(info);
    },
    put: (infos, options) => inner.put(infos, options),
    list: async function* (options) {
      for await (const info of inner.list(options)) yield strip(info);
    },
    referrers: (path, options) => inner.referrers(path, options),
  };
}
pathInfoServiceContract("a signer", async () => ({
  pathInfos: withoutSignatures(new SigningPathInfos(new MemoryPathInfos(), [KEY])),
  close,
}));
pathInfoServiceContract("a verification of what was signed", async () => ({
  pathInfos: withoutSignatures(verified(new SigningPathInfos(new MemoryPathInfos(), [KEY]))),
  close,
}));

function verified(inner: PathInfoService, contents = services()): VerifiedPathInfos {
  return new VerifiedPathInfos({
    inner,
    keys: new TrustedKeys([KEY.publicKey]),
    contents,
    calculator: new RenderingCalculator(contents),
  });
}

const path = (letter: string) => new StorePath(letter.repeat(32), `name-${letter}`);
const info = (letter: string, references: string[] = []): PathInfo => ({
  path: path(letter),
  node: { kind: "file", digest: EMPTY_DIGEST, size: 0, executable: false },
  narSha256: new Uint8Array(32).fill(letter.charCodeAt(0)),
  narSize: 112,
  references: references.map(path),
  signatures: [],
  registeredAt: 1,
});
const chain = [info("a"), info("b", ["a", "b"]), info("c", ["a", "b"]), info("d", ["c"])];

async function holding(infos: readonly PathInfo[]): Promise<MemoryPathInfos> {
  const service = new MemoryPathInfos();
  await service.put(infos);
  return service;
}

describe("a closure", () => {
  test("comes references first, each path once, without what is skipped", async () => {
    const service = await holding(chain);
    const names = (infos: PathInfo[]) => infos.map(({ path: { name } }) => name.at(-1)).join("");
    assert.equal(names(await closureOf([path("d")], service)), "abcd");
    assert.equal(names(await closureOf([path("b"), path("d"), path("b")], service)), "abcd");
    assert.equal(names(await closureOf([path("d")], service, { skip: (one) => one.equals(path("b")) })), "acd");
    assert.equal(names(await closureOf([], service)), "");
    await assert.rejects(closureOf([path("f")], service), { code: "missing" });
    const all = [info("d", ["b", "c"]), info("c", ["a", "f"]), info("b", ["a"]), info("a")];
    assert.match(names(inRegistrationOrder(all)), /^a(bc|cb)d$/);
    // The same hash part under another name is another path.
    await assert.rejects(closureOf([new StorePath("d".repeat(32), "other")], service), { code: "missing" });
  });
});

describe("a cache of path infos", () => {
  test("brings closures near, once, and puts on top of what is far", async () => {
    const far = await holding(chain);
    let asked = 0;
    const counting = new InterceptedPathInfos(far, tracing({ instance: "far", now: () => 0, sink: () => asked++ }));
    const near = new MemoryPathInfos();
    const cache = new CachedPathInfos(near, counting);
    await Promise.all([cache.get(path("c").hashPart), cache.get(path("c").hashPart)]);
    assert.deepEqual((await Array.fromAsync(near.list())).map(({ path: { name } }) => name).sort(), [
      "name-a",
      "name-b",
      "name-c",
    ]);
    const before = asked;
    await cache.get(path("b").hashPart);
    assert.equal(asked, before);
    await cache.put([info("f", ["d"])]);
    assert.equal((await near.get(path("d").hashPart))?.path.name, "name-d");
    assert.deepEqual((await cache.referrers(path("d"))).map(String), [path("f").toString()]);
    assert.equal((await Array.fromAsync(cache.list())).length, 5);
  });

  test("answers from far when the near side lacks the contents, and passes on any other refusal", async () => {
    for (const code of ["missing", "storage"] as const) {
      const near: PathInfoService = Object.create(new MemoryPathInfos(), {
        get: { value: async () => undefined },
        put: {
          value: async () => {
            throw new StoreError(code, "refused");
          },
        },
      });
      const far = new MemoryPathInfos();
      await far.put([info("a", [])]);
      const asked = new CachedPathInfos(near, far).get(path("a").hashPart);
      if (code === "missing") assert.equal((await asked)?.path.name, "name-a");
      else await assert.rejects(asked, { code });
    }
  });
});

describe("tiers of path infos", () => {
  test("a source that fails is passed over and blamed when nobody knows the path", async () => {
    const failing: PathInfoService = Object.create(new MemoryPathInfos(), {
      get: {
        value: async () => {
          throw new CastoreError("storage", "lost");
        },
      },
    });
    const tiers = new TieredPathInfos([failing, await holding(chain)]);
    assert.equal((await tiers.get(path("a").hashPart))?.path.name, "name-a");
    await assert.rejects(tiers.get(path("z").hashPart), { code: "storage" });
  });
});

test("read-only path infos are not written", async () => {
  const service = readOnlyPathInfos(await holding(chain));
  assert.equal((await service.get(path("a").hashPart))?.path.name, "name-a");
  await assert.rejects(service.put(chain), { code: "unsupported" });
  await assert.rejects(new TieredPathInfos([service]).put(chain), { code: "unsupported" });
});

describe("a verification of path infos", () => {
  /** A file that is really there, under the path its contents give or another. */
  async function real(contents: ReturnType<typeof services>, text: string) {
    const bytes = new TextEncoder().encode(text);
    const node: Node = { kind: "file", digest: await contents.blobs.put(bytes), size: bytes.length, executable: false };
    const nar = await calculateNar(node, contents);
    const hash = { algorithm: "sha256", bytes: nar.narSha256 } as const;
    const made = makeFixedOutputPath({ method: "nar", hash, name: "made" });
    return { ...info("a"), node, ...nar, path: made, contentAddress: { method: "nar", hash } as const };
  }
  const ask = async (one: PathInfo, contents: ReturnType<typeof services>) =>
    verified(await holding([one]), contents).get(one.path.hashPart);

  test("unsigned paths are untrusted, in lists they are left out", async () => {
    const contents = services();
    const { contentAddress: _, ...one } = await real(contents, "x");
    await assert.rejects(ask(one, contents), { code: "untrusted" });
    const other = await generateSecretKey(KEY.name);
    await assert.rejects(ask(await signPathInfo(one, [other]), contents), { code: "untrusted" });
    const inner = await holding([one, await signPathInfo({ ...one, path: path("b") }, [KEY])]);
    const listed = await Array.fromAsync(verified(inner, contents).list());
    assert.deepEqual(
      listed.map(({ path: { name } }) => name),
      ["name-b"],
    );
  });

  test("Nix's signature is believed once the contents are what it says", async () => {
    const contents = services();
    const { contentAddress: _, ...one } = await real(contents, "x");
    const signed = await signPathInfo(one, [KEY], ["nix"]);
    assert.equal((await ask(signed, contents))?.path, signed.path);
    const other = await real(contents, "other");
    await assert.rejects(ask({ ...signed, node: other.node }, contents), { code: "mismatch" });
  });

  test("Firn's signature is believed at once, and only for the root it names", async () => {
    const contents = services();
    const signed = await signPathInfo(info("a"), [KEY], ["firn"]);
    assert.equal((await ask(signed, contents))?.path, signed.path);
    const node: Node = { kind: "symlink", target: "x" };
    await assert.rejects(ask({ ...signed, node }, contents), { code: "untrusted" });
  });

  test("content-addressed paths need no signature but the right contents", async () => {
    const contents = services();
    const one = await real(contents, "x");
    const other = await real(contents, "other");
    assert.equal((await ask(one, contents))?.path, one.path);
    await assert.rejects(ask({ ...one, node: other.node }, contents), { code: "mismatch" });
    await assert.rejects(ask({ ...one, path: other.path }, contents), { code: "untrusted" });
    // A reference that it is said to have makes another path of it.
    await assert.rejects(ask({ ...one, references: [one.path] }, contents), { code: "untrusted" });
  });
});
