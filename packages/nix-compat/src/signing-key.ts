/*
Keys in Nix's text form, `<name>:<base 64>`, and what they are for. A secret key is 64 bytes, the seed and the public key; a public one 32.
The arithmetic is Web Crypto's, which every runtime has by now, so calls are asynchronous (docs/decisions/0018).

Deterministic, as ed25519 is: the same key and bytes give the same signature, whoever made it.
*/

import { equalBytes, messageOf } from "@firn/base";
import { toBase64 } from "@firn/hash";
import { NixCompatError } from "./error.ts";
import { checkKeyName, type Signature, SIGNATURE_BYTES, splitNamedBytes } from "./signature.ts";

const ALGORITHM = "Ed25519";
const SEED_BYTES = 32;
const PUBLIC_BYTES = 32;
/** What Web Crypto calls a key, whose type has no name without a browser's or Node's declarations. */
type WebKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

/** Checks signatures. */
export class PublicKey {
  readonly name: string;
  readonly bytes: Uint8Array;
  #web: Promise<WebKey> | undefined;

  /** 32 bytes; the buffer must not change afterwards. */
  constructor(name: string, bytes: Uint8Array) {
    checkKeyName(name);
    if (bytes.length !== PUBLIC_BYTES)
      throw new NixCompatError(
        "invalid-key",
        `the public key '${name}' has ${bytes.length} bytes instead of ${PUBLIC_BYTES}`,
      );
    this.name = name;
    this.bytes = bytes;
  }

  /** Whether the signature is this key's over `message`. One by a key of another name is not. */
  async verify(message: Uint8Array, signature: Signature): Promise<boolean> {
    if (signature.keyName !== this.name || signature.bytes.length !== SIGNATURE_BYTES) return false;
    this.#web ??= imported(
      () => crypto.subtle.importKey("raw", owned(this.bytes), ALGORITHM, false, ["verify"]),
      this.name,
    );
    return crypto.subtle.verify(ALGORITHM, await this.#web, owned(signature.bytes), owned(message));
  }

  toString(): string {
    return `${this.name}:${toBase64(this.bytes)}`;
  }
}

/** Makes signatures. It prints as its name, so that no log holds it by accident. */
export class SecretKey {
  readonly name: string;
  readonly publicKey: PublicKey;
  readonly #seed: Uint8Array;
  #web: Promise<WebKey> | undefined;

  /** 64 bytes, the seed followed by the public key; the buffer must not change afterwards. */
  constructor(name: string, bytes: Uint8Array) {
    checkKeyName(name);
    if (bytes.length !== SEED_BYTES + PUBLIC_BYTES)
      throw new NixCompatError("invalid-key", `the secret key '${name}' has ${bytes.length} bytes instead of 64`);
    this.name = name;
    this.#seed = bytes.subarray(0, SEED_BYTES);
    this.publicKey = new PublicKey(name, bytes.subarray(SEED_BYTES));
  }

  /** Signs `message`. Throws `invalid-key` when the two halves of the key do not belong together. */
  async sign(message: Uint8Array): Promise<Signature> {
    this.#web ??= imported(() => {
      const jwk = { kty: "OKP", crv: ALGORITHM, d: base64Url(this.#seed), x: base64Url(this.publicKey.bytes) };
      return crypto.subtle.importKey("jwk", jwk, ALGORITHM, false, ["sign"]);
    }, this.name);
    const bytes = new Uint8Array(await crypto.subtle.sign(ALGORITHM, await this.#web, owned(message)));
    return { keyName: this.name, bytes };
  }

  /** The secret itself as Nix keeps it in a key file. */
  reveal(): string {
    const both = new Uint8Array(SEED_BYTES + PUBLIC_BYTES);
    both.set(this.#seed);
    both.set(this.publicKey.bytes, SEED_BYTES);
    return `${this.name}:${toBase64(both)}`;
  }

  toString(): string {
    return this.name;
  }
}

/** Reads a public key, as in nix.conf's trusted-public-keys; white space around it is ignored. */
export function parsePublicKey(text: string): PublicKey {
  const { name, bytes } = splitNamedBytes(text.trim(), "a public key");
  return new PublicKey(name, bytes);
}

/** Reads the contents of a secret key file; white space around it is ignored. */
export function parseSecretKey(text: string): SecretKey {
  const { name, bytes } = splitNamedBytes(text.trim(), "a secret key");
  return new SecretKey(name, bytes);
}

/** A new key from the runtime's random numbers. */
export async function generateSecretKey(name: string): Promise<SecretKey> {
  checkKeyName(name);
  const pair = (await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"])) as { privateKey: WebKey };
  const { d, x } = await crypto.subtle.exportKey("jwk", pair.privateKey);
  const bytes = new Uint8Array(SEED_BYTES + PUBLIC_BYTES);
  bytes.set(fromBase64Url(d));
  bytes.set(fromBase64Url(x), SEED_BYTES);
  const key = new SecretKey(name, bytes);
  const probe = new Uint8Array(1);
  // A key whose halves were mixed up here would be found only by those who verify.
  if (!(await key.publicKey.verify(probe, await key.sign(probe))) || equalBytes(key.publicKey.bytes, probe))
    throw new NixCompatError("invalid-key", `the new key '${name}' does not verify what it signs`);
  return key;
}

async function imported(work: () => Promise<WebKey>, name: string): Promise<WebKey> {
  try {
    return await work();
  } catch (thrown) {
    throw new NixCompatError("invalid-key", `'${name}' is not an ed25519 key: ${messageOf(thrown)}`, { cause: thrown });
  }
}

/** Web Crypto takes no memory that may be shared, and says so in its types. */
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}

function base64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function fromBase64Url(text: string | undefined): Uint8Array {
  return splitNamedBytes(`jwk:${(text ?? "").replaceAll("-", "+").replaceAll("_", "/")}`, "a generated key").bytes;
}
