/* C++ Nix as reference: builds in a store of its own. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { byteStringOf } from "@firn/base";
import { type Derivation, parseDerivation } from "@firn/nix-compat";

/** Builds an expression with C++ Nix in its own sandbox; yields the derivation, the log and the outputs' host folder. */
export function nixBuild(expression: string): {
  readonly drvPath: string;
  readonly derivation: Derivation;
  /** Any derivation of that store. */
  readonly read: (drvPath: string) => Derivation;
  readonly log: string;
  readonly output: (name: string) => Buffer;
} {
  const directory = mkdtempSync(join(tmpdir(), "firn-glue-"));
  after(() => rmSync(directory, { recursive: true, force: true }));
  const root = join(directory, "root");
  const config = `experimental-features = nix-command ca-derivations\nbuild-users-group =\nsandbox = true\nsubstitute = false\nsandbox-paths = /bin/busybox=${onlyLine("command -v busybox")}\ncores = 3`;
  const env = {
    PATH: process.env.PATH,
    HOME: directory,
    NIX_REMOTE: `local?root=${root}`,
    NIX_CONFIG: config,
    FIRN_TEST_IMPURE: "from outside",
    TMPDIR: directory,
  };
  const drvPath = onlyLine(["nix-instantiate", "--expr", expression], env);
  const read = (path: string) =>
    parseDerivation(
      byteStringOf(readFileSync(join(root, path))),
      path.slice("/nix/store/".length + 33, -".drv".length),
    );
  const derivation = read(drvPath);
  const log = execFileSync("sh", ["-c", 'nix-store --realise "$0" 2>&1 || true', drvPath], { env }).toString("latin1");
  return {
    drvPath,
    derivation,
    read,
    log,
    output: (path) => readFileSync(join(root, derivation.outputs.get("out")?.path ?? "", path)),
  };
}

function onlyLine(command: string | readonly string[], env: NodeJS.ProcessEnv = process.env): string {
  const [program, ...args] = typeof command === "string" ? ["sh", "-c", command] : command;
  return execFileSync(program, args, { env, stdio: ["ignore", "pipe", "ignore"] })
    .toString("latin1")
    .trim();
}
