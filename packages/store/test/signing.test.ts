/* Signatures of both schemes: the published vectors, what each covers, content addresses, and the way to narinfo and back. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type CastoreServices,
  type Digest,
  EMPTY_DIGEST,
  MemoryBlobs,
  MemoryDirectories,
  type Node,
} from "@firn/castore";
import { digestBytes, hashByteString, hashBytes, toBase64, toHex } from "@firn/hash";
import {
  type ContentAddress,
  generateSecretKey,
  hashNarModulo,
  makeFixedOutputPath,
  makeTextPath,
  parseContentAddress,
  parseNarInfo,
  parsePublicKey,
  parseSecretKey,
  parseStorePath,
  printNarInfo,
  StorePath,
} from "@firn/nix-compat";
import {
  calculateNar,
  checkContentAddress,
  decodePathInfo,
  encodePathInfo,
  firnFingerprint,
  isContentAddressed,
  narInfoOf,
  type PathInfo,
  pathInfoOf,
  RenderingCalculator,
  renderNar,
  signPathInfo,
  TrustedKeys,
} from "@firn/store";

const KEY = parseSecretKey(
  "do.not.use:sGPzxuK5WvWPraytx+6sjtaff866sYlfvErE6x0hFEhy5eqe7OVZ8ZMqZ/ME/HaRdKGNGvJkyGKXYTaeA6lR3A==",
);
const trusted = new TrustedKeys([KEY.publicKey]);
const a = new StorePath("a".repeat(32), "first");
const b = new StorePath("b".repeat(32), "second");
const info = (more: Partial<PathInfo> = {}): PathInfo => ({
  path: a,
  node: { kind: "directory", digest: "0123456789abcdef".repeat(4) as Digest, size: 7 },
  narSha256: new Uint8Array(32).fill(1),
  narSize: 1000,
  references: [],
  signatures: [],
  registeredAt: 1,
  ...more,
});

describe("Firn's signature", () => {
  const vectors: [string, PathInfo, number, string, string][] = [
    [
      "directory",
      info(),
      181,
      "def8f80e3dbc97bff2cb3a40b789ff37543f341f8caf568d32aa8e6669c0114d",
      "Qd6LeEcxOQNVJ/1utO6vBB5588i7/LB11nPPt5W+r+9Z908Z7dx54QaBlC9mjNtFglbRHOHd5tbWYv/LrtOJAg==",
    ],
    [
      "file",
      info({
        path: b,
        node: { kind: "file", digest: EMPTY_DIGEST, size: 0, executable: true },
        references: [a, b],
        contentAddress: parseContentAddress("fixed:r:sha256:1xqkzcb3909fp07qngljr4wcdnrh1gdam1m2n29i6hhrxlmkgkv1"),
      }),
      380,
      "53ded3be09c7a2ae1efb9988195aeed83ec00785266095133b680d10fcd82162",
      "dLhnATdv05tCgbKap3DiO77R5Wa1pKnGVckELRAVzT46SAobo36PV9GArY9XqfXww8yWoLgb9V12BaF/svS4Aw==",
    ],
    [
      "symlink",
      info({ node: { kind: "symlink", target: "../\xff" } }),
      153,
      "2d6f90ec3bedb0a8aa68c0d6db99b396f9b1c8b9196d8d8eb8e505ef1b8fbd3f",
      "QxWA+Ic9A/zQYnVnyW0uosuGD1jiBsadaEKYMG2sPQPCMv1TWAny8JR94xZiu6ZP8o51tywhvzg6Yteu1fUDCw==",
    ],
  ];
  for (const [name, path, length, blake3, signature] of vectors) {
    test(`of the ${name} is the published one`, async () => {
      const bytes = firnFingerprint(path);
      assert.equal(bytes.length, length);
      assert.equal(toHex(hashBytes("blake3", bytes)), blake3);
      assert.equal(toBase64((await KEY.sign(bytes)).bytes), signature);
    });
  }

  test("covers path, root, hash, size, references, content address and store directory", async () => {
    const signed = await signPathInfo(info({ references: [b] }), [KEY]);
    assert.deepEqual(await trusted.check(signed), { nix: ["do.not.use"], firn: ["do.not.use"] });
    const file: Node = { kind: "file", digest: EMPTY_DIGEST, size: 7, executable: false };
    const changes: Partial<PathInfo>[] = [
      { path: b },
      { node: file },
      { node: { ...file, executable: true } },
      { node: { ...signed.node, size: 8 } as Node },
      { narSha256: new Uint8Array(32) },
      { narSize: 1001 },
      { references: [] },
      { references: [a, b] },
      { contentAddress: parseContentAddress(`fixed:sha256:${"0".repeat(52)}`) },
    ];
    for (const change of changes) {
      const good = await trusted.check({ ...signed, ...change });
      assert.deepEqual(good.firn, [], Object.keys(change).join());
    }
    assert.deepEqual((await trusted.check(signed, "/gnu/store")).firn, []);
    // What Nix signs is the NAR, so another root is not its affair.
    assert.deepEqual((await trusted.check({ ...signed, node: file })).nix, ["do.not.use"]);
  });

  test("one scheme's signature is no other's, and keys of the same name are tried in turn", async () => {
    const signed = await signPathInfo(info(), [KEY], ["nix"]);
    const moved = { ...signed, signatures: signed.signatures.map((one) => ({ ...one, scheme: "firn" as const })) };
    assert.deepEqual(await trusted.check(moved), { nix: [], firn: [] });
    const other = await generateSecretKey("do.not.use");
    assert.deepEqual((await new TrustedKeys([other.publicKey, KEY.publicKey]).check(signed)).nix, ["do.not.use"]);
    assert.deepEqual((await new TrustedKeys([other.publicKey]).check(signed)).nix, []);
  });

  test("survives encoding, and signing twice adds nothing", async () => {
    const signed = await signPathInfo(info(), [KEY]);
    assert.equal(signed.signatures.length, 2);
    assert.deepEqual(decodePathInfo(encodePathInfo(signed)), {
      ...signed,
      contentAddress: undefined,
      deriver: undefined,
    });
    assert.equal((await signPathInfo(signed, [KEY])).signatures.length, 2);
  });
});

const memory = (): CastoreServices => ({ blobs: new MemoryBlobs(), directories: new MemoryDirectories() });

/** A file of the store under the path its content address gives. */
async function addressed(
  services: CastoreServices,
  text: string,
  method: ContentAddress["method"],
  algorithm: "sha256" | "sha1" | "md5",
) {
  const bytes = new TextEncoder().encode(text);
  const digest = await services.blobs.put(bytes);
  const node: Node = { kind: "file", digest, size: bytes.length, executable: false };
  const nar = await Array.fromAsync(renderNar(node, services));
  const hash = { algorithm, bytes: hashBytes(algorithm, method === "nar" ? Buffer.concat(nar) : bytes) };
  const path = makeFixedOutputPath({ method, hash, name: "made" });
  return info({ path, node, ...(await calculateNar(node, services)), contentAddress: { method, hash } });
}

describe("a content address is checked", () => {
  for (const method of ["nar", "flat", "text"] as const) {
    for (const algorithm of method === "text" ? (["sha256"] as const) : (["sha256", "sha1", "md5"] as const)) {
      test(`${method} with ${algorithm}`, async () => {
        const services = memory();
        const good = await addressed(services, "contents", method, algorithm);
        assert.equal(digestBytes(algorithm), good.contentAddress?.hash.bytes.length);
        assert.equal(isContentAddressed(good), true);
        await checkContentAddress(good, services);
        const other = await addressed(services, "other contents", method, algorithm);
        await assert.rejects(checkContentAddress({ ...good, node: other.node }, services), { code: "mismatch" });
        await assert.rejects(checkContentAddress({ ...good, path: other.path }, services), { code: "mismatch" });
        await assert.rejects(checkContentAddress({ ...good, contentAddress: other.contentAddress }, services), {
          code: "mismatch",
        });
      });
    }
  }

  test("without reading contents whose NAR was verified, where the address is its hash and not otherwise", async () => {
    const services = memory();
    const good = await addressed(services, "contents", "nar", "sha256");
    const verified = { narIsVerified: true };
    await checkContentAddress(good, memory(), verified);
    await assert.rejects(checkContentAddress(good, memory()), { code: "missing" });
    const other = await addressed(services, "other contents", "nar", "sha256");
    for (const wrong of [
      { narSha256: other.narSha256, node: other.node },
      { path: other.path },
      { references: [good.path] },
    ])
      await assert.rejects(checkContentAddress({ ...good, ...wrong }, services, verified), { code: "mismatch" });
    const flat = await addressed(services, "contents", "flat", "sha256");
    await assert.rejects(checkContentAddress(flat, memory(), verified), { code: "missing" });
  });

  test("of a path that refers to itself, modulo its own hash part", async () => {
    const services = memory();
    const store = async (hashPart: string) => {
      const bytes = new TextEncoder().encode(`I am /nix/store/${hashPart}-self`);
      const node: Node = {
        kind: "file",
        digest: await services.blobs.put(bytes),
        size: bytes.length,
        executable: false,
      };
      return { node, hash: await hashNarModulo(renderNar(node, services), "sha256", hashPart) };
    };
    const draft = await store("0".repeat(32));
    const path = makeFixedOutputPath({ method: "nar", hash: draft.hash, name: "self", selfReference: true });
    const { node, hash } = await store(path.hashPart);
    const self = info({ path, node, references: [path], contentAddress: { method: "nar", hash } });
    await checkContentAddress(self, services);
    await assert.rejects(checkContentAddress({ ...self, references: [] }, services), { code: "mismatch" });
  });

  test("of a text with references, and as git has it; without any nothing is checked", async () => {
    const services = memory();
    const bytes = new TextEncoder().encode("text");
    const node: Node = { kind: "file", digest: await services.blobs.put(bytes), size: 4, executable: false };
    const hash = { algorithm: "sha256", bytes: hashBytes("sha256", bytes) } as const;
    const path = makeTextPath("text", "text", [a]);
    await checkContentAddress(
      info({ path, node, references: [a], contentAddress: { method: "text", hash } }),
      services,
    );
    const git = { method: "git", hash: { algorithm: "sha1", bytes: hashByteString("sha1", "blob 4\0text") } } as const;
    const gitPath = makeFixedOutputPath({ ...git, name: "g" });
    await checkContentAddress(info({ path: gitPath, node, contentAddress: git }), services);
    const other: Node = { kind: "symlink", target: "text!" };
    await assert.rejects(checkContentAddress(info({ path: gitPath, node: other, contentAddress: git }), services), {
      code: "mismatch",
    });
    await checkContentAddress(info(), services);
    assert.equal(isContentAddressed(info()), false);
  });
});

test("a path info becomes a narinfo and one again, without Firn's signatures", async () => {
  const services = memory();
  const made = await addressed(services, "x", "nar", "sha256");
  const full = await signPathInfo({ ...made, references: [], deriver: parseStorePath(`${"d".repeat(32)}-x.drv`) }, [
    KEY,
  ]);
  const narInfo = narInfoOf(full, { url: "nar/x.nar", compression: "none" });
  const read = parseNarInfo(printNarInfo(narInfo));
  assert.deepEqual(pathInfoOf(read, full.node, 1), { ...full, signatures: full.signatures.slice(0, 1) });
  const key = parsePublicKey(String(KEY.publicKey));
  assert.deepEqual((await new TrustedKeys([key]).check(pathInfoOf(read, full.node, 1))).nix, ["do.not.use"]);
});

test("a calculator answers as a rendering does and remembers, whatever callers do to the answer", async () => {
  const services = memory();
  const { node, narSha256, narSize } = await addressed(services, "x", "nar", "sha256");
  const calculator = new RenderingCalculator(services);
  for (let i = 0; i < 3; i++) {
    const answer = await calculator.calculateNar(node);
    assert.deepEqual(answer, { narSha256, narSize });
    answer.narSha256.fill(0);
  }
  const executable = await calculator.calculateNar({ ...node, executable: true } as Node);
  assert.notEqual(executable.narSize, narSize);
  await assert.rejects(calculator.calculateNar({ ...node, digest: "0".repeat(64) as Digest } as Node), {
    code: "missing",
  });
});
