/*
Signatures in Nix's text form, `<key name>:<base 64>`, and what a key may be called. Making and checking them is signing-key.ts's.
*/

import { fromBase64, toBase64 } from "@firn/hash";
import { NixCompatError } from "./error.ts";

/** Longest name of a signing key, in characters. */
export const KEY_NAME_CHARS_MAX = 256;
/** Length of an ed25519 signature. */
export const SIGNATURE_BYTES = 64;

/** A key's name and the 64 bytes it made of something. */
export type Signature = { readonly keyName: string; readonly bytes: Uint8Array };

/** Throws `invalid-key` unless `name` may name a key: not empty, no colon, no white space, at most KEY_NAME_CHARS_MAX characters. */
export function checkKeyName(name: string): void {
  if (name !== "" && name.length <= KEY_NAME_CHARS_MAX && !/[:\s]/.test(name)) return;
  throw new NixCompatError(
    "invalid-key",
    `'${name.slice(0, KEY_NAME_CHARS_MAX)}' is no name of a key: expected 1 to ${KEY_NAME_CHARS_MAX} characters without colon or white space`,
  );
}

/** `<name>:<base 64 with padding>`. */
export function printSignature({ keyName, bytes }: Signature): string {
  return `${keyName}:${toBase64(bytes)}`;
}

/** Reads what printSignature writes. Throws `invalid-key`. */
export function parseSignature(text: string): Signature {
  const { name, bytes } = splitNamedBytes(text, "a signature");
  if (bytes.length !== SIGNATURE_BYTES)
    throw new NixCompatError(
      "invalid-key",
      `the signature by '${name}' has ${bytes.length} bytes instead of ${SIGNATURE_BYTES}`,
    );
  return { keyName: name, bytes };
}

/** The two parts of `<name>:<base 64>`; messages say `what` and never quote the second. */
export function splitNamedBytes(text: string, what: string): { readonly name: string; readonly bytes: Uint8Array } {
  const colon = text.indexOf(":");
  if (colon <= 0) throw new NixCompatError("invalid-key", `not ${what}: expected <name>:<base 64>`);
  const name = text.slice(0, colon);
  checkKeyName(name);
  const bytes = fromBase64(text.slice(colon + 1));
  if (bytes === undefined || bytes.length === 0)
    throw new NixCompatError("invalid-key", `not ${what}: what follows '${name}:' is not base 64`);
  return { name, bytes };
}
