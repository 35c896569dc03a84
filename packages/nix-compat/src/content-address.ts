/*
Content addresses: how a path's hash part follows from what is in it. `text` is what builtins.toFile and .drv files are,
`flat` a single file's bytes, `nar` the NAR rendering, `git` a git tree or blob hash.
*/

import { type Hash, parseHash, printHash } from "@firn/hash";
import { NixCompatError } from "./error.ts";

export type ContentAddressMethod = "flat" | "nar" | "text" | "git";

export type ContentAddress = { readonly method: ContentAddressMethod; readonly hash: Hash };

const METHOD_PREFIXES: Readonly<Record<ContentAddressMethod, string>> = {
  flat: "",
  nar: "r:",
  text: "text:",
  git: "git:",
};

/** What stands before the algorithm in an ATerm output and in `fixed:` content addresses. */
export function methodPrefix(method: ContentAddressMethod): string {
  return METHOD_PREFIXES[method];
}

/** Takes `r:sha256` (as in an ATerm output) apart. `rest` is the algorithm, unchecked. */
export function splitMethodPrefix(text: string): { readonly method: ContentAddressMethod; readonly rest: string } {
  for (const method of ["nar", "text", "git"] as const) {
    const prefix = METHOD_PREFIXES[method];
    if (text.startsWith(prefix)) return { method, rest: text.slice(prefix.length) };
  }
  return { method: "flat", rest: text };
}

/** `text:sha256:<nix32>` or `fixed:[r:|git:]<algorithm>:<nix32>`, as in narinfo's CA field. */
export function printContentAddress(address: ContentAddress): string {
  const hash = printHash(address.hash, "nix32");
  return address.method === "text" ? `text:${hash}` : `fixed:${METHOD_PREFIXES[address.method]}${hash}`;
}

/** Reads what printContentAddress writes; the hash may be in any of the encodings with an algorithm. */
export function parseContentAddress(text: string): ContentAddress {
  if (text.startsWith("text:")) return { method: "text", hash: parseHash(text.slice(5)) };
  if (!text.startsWith("fixed:")) {
    throw new NixCompatError(
      "invalid-content-address",
      `content address '${text.slice(0, 200)}' starts neither with text: nor fixed:`,
    );
  }
  const { method, rest } = splitMethodPrefix(text.slice(6));
  if (method === "text") {
    throw new NixCompatError(
      "invalid-content-address",
      `content address '${text.slice(0, 200)}' is both fixed and text`,
    );
  }
  return { method, hash: parseHash(rest) };
}
