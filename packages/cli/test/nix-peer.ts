/* Debian's Nix as a peer: builds the same expressions in a root of its own, and tells what it has there. */

import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { onPath } from "../../../dev/need.ts";

export type NixPeer = {
  /** What the program prints, trimmed. Throws when it fails. */
  readonly run: (program: string, ...args: string[]) => string;
  /** What a program that fails says. */
  readonly fail: (program: string, ...args: string[]) => string;
};

/** Nix with a store and a home below `directory`, which is also where it runs. */
export function nixPeer(directory: string): NixPeer {
  const config = `experimental-features = nix-command ca-derivations impure-derivations
build-users-group =
sandbox = true
substitute = false`;
  const env = {
    PATH: process.env.PATH,
    HOME: join(directory, "nix-home"),
    NIX_REMOTE: `local?root=${join(directory, "nix-root")}`,
    NIX_CONFIG: config,
  };
  return {
    run: (program, ...args) =>
      execFileSync(program, args, { cwd: directory, env, stdio: ["ignore", "pipe", "ignore"] })
        .toString("utf8")
        .trim(),
    fail: (program, ...args) => spawnSync(program, args, { cwd: directory, env }).stderr.toString("utf8"),
  };
}

/** Lays a directory `tools` with busybox in it down, for expressions to build with. */
export function layTools(directory: string): void {
  mkdirSync(join(directory, "tools", "bin"), { recursive: true });
  const busybox = join(directory, "tools", "bin", "busybox");
  copyFileSync(onPath("busybox") as string, busybox);
  chmodSync(busybox, 0o755);
}

/** The beginning of an expression in which `sh name script more` is a derivation and `ca` makes one content-addressed. */
export const WITH_TOOLS = `
let
  busybox = "\${./tools}/bin/busybox";
  sh = name: text: more: derivation ({
    inherit name; system = "x86_64-linux"; builder = busybox; args = [ "sh" "-euc" text ]; PATH = ""; b = busybox;
  } // more);
  ca = { __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; };
in`;
