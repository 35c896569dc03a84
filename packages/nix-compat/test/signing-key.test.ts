/* Keys and signatures: published vectors of ed25519, Nix's text forms, and what Nix itself makes with the same key. */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { bytesOf } from "@firn/base";
import { fromHex, toBase64, toHex } from "@firn/hash";
import {
  generateSecretKey,
  parseAbsoluteStorePath,
  parsePublicKey,
  parseSecretKey,
  parseSignature,
  pathFingerprint,
  printSignature,
  SecretKey,
} from "@firn/nix-compat";
import { parseHash } from "@firn/hash";
import { need } from "../../../dev/need.ts";
import { nixSandbox } from "./nix.ts";

const bytes = (hex: string) => fromHex(hex) as Uint8Array;
const PUBLISHED = "do.not.use:sGPzxuK5WvWPraytx+6sjtaff866sYlfvErE6x0hFEhy5eqe7OVZ8ZMqZ/ME/HaRdKGNGvJkyGKXYTaeA6lR3A==";
const PUBLISHED_PUBLIC = "do.not.use:cuXqnuzlWfGTKmfzBPx2kXShjRryZMhil2E2ngOpUdw=";

describe("ed25519", () => {
  // RFC 8032, section 7.1: seed, public key, message, signature.
  const vectors = [
    [
      "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
      "",
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
      "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
      "72",
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
  ];
  for (const [seed, publicKey, message, expected] of vectors) {
    test(`signs and verifies the published message of ${message.length / 2} bytes`, async () => {
      const key = new SecretKey("k", bytes(seed + publicKey));
      const signature = await key.sign(bytes(message));
      assert.equal(toHex(signature.bytes), expected);
      assert.equal(await key.publicKey.verify(bytes(message), signature), true);
    });
  }

  test("a signature holds for its key, name and message only", async () => {
    const key = parseSecretKey(PUBLISHED);
    const message = bytesOf("1;text");
    const signature = await key.sign(message);
    assert.equal(await parsePublicKey(PUBLISHED_PUBLIC).verify(message, signature), true);
    assert.equal(await parsePublicKey(PUBLISHED_PUBLIC).verify(bytesOf("1;texu"), signature), false);
    assert.equal(await parsePublicKey(PUBLISHED_PUBLIC.replace("not", "NOT")).verify(message, signature), false);
    const other = await generateSecretKey("do.not.use");
    assert.equal(await other.publicKey.verify(message, signature), false);
    for (const at of [0, 31, 32, 63]) {
      const damaged = new Uint8Array(signature.bytes);
      damaged[at] ^= 1;
      assert.equal(await key.publicKey.verify(message, { keyName: key.name, bytes: damaged }), false);
    }
    assert.equal(await key.publicKey.verify(message, { keyName: key.name, bytes: new Uint8Array(63) }), false);
  });
});

describe("text forms", () => {
  test("keys and signatures print as they were read", async () => {
    const key = parseSecretKey(`${PUBLISHED}\n`);
    assert.equal(key.reveal(), PUBLISHED);
    assert.equal(String(key), "do.not.use");
    assert.equal(String(key.publicKey), PUBLISHED_PUBLIC);
    const text = printSignature(await key.sign(new Uint8Array()));
    assert.equal(printSignature(parseSignature(text)), text);
  });

  const refused = ["", "name", ":AAAA", "a b:AAAA", "name:", "name:!!!!", "name:AAAA", `${"x".repeat(257)}:AAAA`];
  for (const text of refused) {
    test(`'${text.slice(0, 20)}' is neither key nor signature, and no message quotes what follows the colon`, () => {
      for (const parse of [parsePublicKey, parseSecretKey, parseSignature]) {
        assert.throws(
          () => parse(text),
          (thrown: { code: string; message: string }) => {
            assert.equal(thrown.code, "invalid-key");
            assert.doesNotMatch(thrown.message, /AAAA|!!!!/);
            return true;
          },
        );
      }
    });
  }

  test("a secret key whose halves do not belong together signs nothing that verifies", async () => {
    const mixed = new Uint8Array(64).fill(3);
    mixed.set(parsePublicKey(PUBLISHED_PUBLIC).bytes, 32);
    const key = new SecretKey("mixed", mixed);
    const message = bytesOf("x");
    const verified = await key.sign(message).then(
      (signature) => key.publicKey.verify(message, signature),
      () => false,
    );
    assert.equal(verified, false);
  });
});

test("Nix makes the same signature with the same key", need("nix-store"), () => {
  const nix = nixSandbox();
  writeFileSync(join(nix.directory, "file"), "contents");
  writeFileSync(join(nix.directory, "key"), PUBLISHED);
  const path = nix
    .run("nix-store", ["--add", join(nix.directory, "file")])
    .toString()
    .trim();
  nix.run("nix", ["store", "sign", "-k", join(nix.directory, "key"), path]);
  const [info] = JSON.parse(nix.run("nix", ["path-info", "--json", path]).toString());
  const message = pathFingerprint({
    path: parseAbsoluteStorePath(path),
    narSha256: parseHash(info.narHash).bytes,
    narSize: info.narSize,
    references: [],
  });
  return parseSecretKey(PUBLISHED)
    .sign(message)
    .then((signature) => assert.deepEqual(info.signatures, [printSignature(signature)]));
});

test("Nix reads a key that was generated here", need("nix-store"), async () => {
  const nix = nixSandbox();
  const key = await generateSecretKey("made-here-1");
  const publicKey = nix.run("nix", ["key", "convert-secret-to-public"], key.reveal()).toString();
  assert.equal(publicKey, String(key.publicKey));
  assert.equal(toBase64(parseSecretKey(key.reveal()).publicKey.bytes), toBase64(key.publicKey.bytes));
});
