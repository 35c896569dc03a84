/*
Signing path infos and checking their signatures, Nix's and Firn's. What a signature is worth is said by `TrustedKeys`, whose answer names the
keys that held; what to do about paths without any is the caller's affair.
*/

import { pathFingerprint, type PublicKey, type SecretKey } from "@firn/nix-compat";
import { firnFingerprint } from "./firn-fingerprint.ts";
import { isNixSignature, type PathInfo, type PathSignature, type SignatureScheme } from "./path-info.ts";
import { mergePathInfo } from "./path-info-rules.ts";

/** The path info with a signature more for each key and scheme; those it has already are not made again twice. */
export async function signPathInfo(
  info: PathInfo,
  keys: readonly SecretKey[],
  schemes: readonly SignatureScheme[] = ["nix", "firn"],
  storeDir?: string,
): Promise<PathInfo> {
  const made: PathSignature[] = [];
  for (const scheme of schemes) {
    const message = scheme === "nix" ? pathFingerprint(info, storeDir) : firnFingerprint(info, storeDir);
    for (const key of keys) {
      const signature = await key.sign(message);
      made.push(scheme === "nix" ? signature : { ...signature, scheme });
    }
  }
  return mergePathInfo(info, { ...info, signatures: made });
}

/** Names of keys whose signatures hold. */
export type GoodSignatures = {
  /** Over the NAR's hash: as good as the NAR that was compared with it. */
  readonly nix: readonly string[];
  /** Over the castore root as well: good for each digest below it. */
  readonly firn: readonly string[];
};

export class TrustedKeys {
  readonly #byName = new Map<string, PublicKey[]>();

  constructor(keys: Iterable<PublicKey>) {
    for (const key of keys) this.#byName.set(key.name, [...(this.#byName.get(key.name) ?? []), key]);
  }

  /** Checks all signatures that trusted keys are said to have made. */
  async check(info: PathInfo, storeDir?: string): Promise<GoodSignatures> {
    const good = { nix: [] as string[], firn: [] as string[] };
    for (const signature of info.signatures) {
      const keys = this.#byName.get(signature.keyName);
      if (keys === undefined) continue;
      const isNix = isNixSignature(signature);
      const message = isNix ? pathFingerprint(info, storeDir) : firnFingerprint(info, storeDir);
      for (const key of keys) {
        if (await key.verify(message, signature)) (isNix ? good.nix : good.firn).push(key.name);
      }
    }
    return good;
  }
}
