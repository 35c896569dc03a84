/*
Signing path infos and checking their signatures, Nix's and Firn's. What a signature is worth is said by `TrustedKeys`, whose answer names the
keys that held; what to do about paths without any is the caller's affair.
*/

import { bytesOf } from "@firn/base";
import type { Node } from "@firn/castore";
import { pathFingerprint, type PublicKey, type SecretKey, type Signature } from "@firn/nix-compat";
import { realisationFingerprint } from "./build-trace.ts";
import { isContentAddressed } from "./content-check.ts";
import { firnFingerprint } from "./firn-fingerprint.ts";
import {
  type DescribedPath,
  isNixSignature,
  type PathInfo,
  type PathSignature,
  type SignatureScheme,
} from "./path-info.ts";
import { mergePathInfo } from "./path-info-rules.ts";
import { mergeRealisation, type Realisation } from "./realisation.ts";

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

  /** Checks all signatures that trusted keys are said to have made; Firn's only where the root is known. */
  async check(info: DescribedPath, storeDir?: string): Promise<GoodSignatures> {
    const good = { nix: [] as string[], firn: [] as string[] };
    for (const signature of info.signatures) {
      const keys = this.#byName.get(signature.keyName);
      if (keys === undefined) continue;
      const isNix = isNixSignature(signature);
      const { node } = info;
      if (!isNix && node === undefined) continue;
      const message = isNix
        ? pathFingerprint(info, storeDir)
        : firnFingerprint({ ...info, node: node as Node }, storeDir);
      for (const key of keys) {
        if (await key.verify(message, signature)) (isNix ? good.nix : good.firn).push(key.name);
      }
    }
    return good;
  }

  /** Whether one of the keys signed it. */
  async vouchFor(realisation: Realisation): Promise<boolean> {
    return await this.hasSigned(bytesOf(realisationFingerprint(realisation)), realisation.signatures);
  }

  /** Whether one of the signatures of a message is right, and by one of the keys. */
  async hasSigned(message: Uint8Array, signatures: readonly Signature[]): Promise<boolean> {
    for (const signature of signatures) {
      for (const key of this.#byName.get(signature.keyName) ?? [])
        if (await key.verify(message, signature)) return true;
    }
    return false;
  }
}

/** The realisation with a signature more for each key. */
export async function signRealisation(realisation: Realisation, keys: readonly SecretKey[]): Promise<Realisation> {
  const message = bytesOf(realisationFingerprint(realisation));
  const made = await Promise.all(keys.map((key) => key.sign(message)));
  return mergeRealisation(realisation, { ...realisation, signatures: made });
}

/**
 * Whether a path may be taken from somebody who describes it: no keys are asked for (`undefined`), one of them signed it in Nix's way, or it follows from
 * contents, which then have to be checked (`checkContentAddress`).
 */
export async function isTrusted(
  info: DescribedPath,
  keys: TrustedKeys | undefined,
  storeDir?: string,
): Promise<boolean> {
  if (keys === undefined || isContentAddressed(info, storeDir)) return true;
  return (await keys.check(info, storeDir)).nix.length > 0;
}
