/*
A realisation for storage: a key that says what is realised, and one line of JSON that says as what, beginning with its version. It is not an
exchange format.

    <base name of the .drv>^<output>   {"v":1,"path":"<base name>","signatures":["key:base64", ...]}
*/

import { type ByteString, messageOf } from "@firn/base";
import { parseSignature, parseStorePath, printSignature, type StorePath } from "@firn/nix-compat";
import { StoreError } from "./error.ts";
import { checkRealisation, type Realisation } from "./realisation.ts";

const VERSION = 1;

/** The key of an output's realisation, in ASCII. */
export function realisationKey(drvPath: StorePath, output: string): string {
  return `${drvPath}^${output}`;
}

/** The value to keep under the key, in ASCII. */
export function encodeRealisation({ path, signatures }: Realisation): ByteString {
  return JSON.stringify({ v: VERSION, path: path.toString(), signatures: signatures.map(printSignature) });
}

/** Decodes and checks. Throws `malformed`, or a rule's code. */
export function decodeRealisation(key: string, value: ByteString): Realisation {
  const end = key.indexOf("^");
  let realisation: Realisation;
  try {
    const { v, path, signatures } = JSON.parse(value) as { v: number; path: string; signatures: readonly string[] };
    if (v !== VERSION) throw new StoreError("malformed", `a realisation of version ${v}, only ${VERSION} is known`);
    realisation = {
      drvPath: parseStorePath(key.slice(0, end)),
      output: key.slice(end + 1),
      path: parseStorePath(path),
      signatures: signatures.map(parseSignature),
    };
  } catch (thrown) {
    if (thrown instanceof StoreError) throw thrown;
    throw new StoreError("malformed", `not an encoded realisation: ${messageOf(thrown)}`, { cause: thrown });
  }
  checkRealisation(realisation);
  return realisation;
}
