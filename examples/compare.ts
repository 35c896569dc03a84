/*
Builds an example twice, by Firn and by Debian's nix-build, and compares every output by its NAR and its references. nix-build gets a /nix of its own: a
temporary directory bound there in a private mount namespace, so that the machine's stays as it is.
*/

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const MAIN = join(ROOT, "packages/cli/src/main.ts");
const OUTPUT_BYTES_MAX = 1 << 30;

const NIX_CONF = "sandbox = false\nbuild-users-group =\nsubstitute = false\n";
const IN_PRIVATE_NIX = 'mount --bind "$1" /nix; shift; exec "$@"';

export type BuiltOutput = {
  readonly path: string;
  /** SHA-256 of the NAR, hexadecimal. */
  readonly narHash: string;
  /** Store paths, sorted. */
  readonly references: readonly string[];
};

export type Built = { readonly outputs: readonly BuiltOutput[]; readonly ms: number };

/** Both builders' outputs of `examples/NAME` (with everything `attrs` names) must have equal paths, NARs and references. */
export function compareBuilds(name: string, attrs: readonly string[]): { readonly firn: Built; readonly nix: Built } {
  const firn = buildByFirn(name, attrs);
  const nix = buildByNix(name, attrs);
  assert.ok(firn.outputs.length > 0, "something was built");
  assert.deepEqual(firn.outputs, nix.outputs);
  return { firn, nix };
}

/** Builds in an empty store. */
export function buildByFirn(name: string, attrs: readonly string[]): Built {
  return inDirectory((directory) => {
    const env = { ...process.env, FIRN_HOME: join(directory, "state") };
    const firn = (args: readonly string[]) =>
      execFileSync(process.execPath, ["--disable-warning=ExperimentalWarning", MAIN, ...args], {
        env,
        maxBuffer: OUTPUT_BYTES_MAX,
        stdio: ["ignore", "pipe", "pipe"],
      });
    const { paths, ms } = timed(() => firn(["build", ...selection(name, attrs), "--no-link"]));
    const outputs = paths.map((path) => {
      const [{ references }] = JSON.parse(firn(["store", "path-info", "--json", path]).toString());
      return { path, narHash: sha256(firn(["store", "dump", path])), references: references.sort() };
    });
    return { outputs, ms };
  });
}

function buildByNix(name: string, attrs: readonly string[]): Built {
  return inDirectory((directory) => {
    const nix = privateNix(directory);
    const { paths, ms } = timed(() => nix(["nix-build", ...selection(name, attrs), "--no-out-link"]));
    const outputs = paths.map((path) => ({
      path,
      narHash: sha256(nix(["nix-store", "--dump", path])),
      references: lines(nix(["nix-store", "--query", "--references", path])).sort(),
    }));
    return { outputs, ms };
  });
}

function selection(name: string, attrs: readonly string[]): readonly string[] {
  return [join(ROOT, "examples", name), ...attrs.flatMap((attr) => ["-A", attr])];
}

/** Runs a build that prints its outputs' paths. */
function timed(build: () => Buffer): { readonly paths: readonly string[]; readonly ms: number } {
  const start = performance.now();
  const paths = lines(build());
  return { paths, ms: performance.now() - start };
}

function inDirectory<T>(use: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), "firn-example-"));
  try {
    return use(directory);
  } finally {
    execFileSync("chmod", ["-R", "u+w", directory]);
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Runs programs of nix-bin with a /nix below `directory`. Needs the right to mount. */
function privateNix(directory: string): (command: readonly string[]) => Buffer {
  const nix = join(directory, "nix");
  const conf = join(directory, "nix-conf");
  for (const folder of [join(nix, "store"), join(nix, "var"), conf]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(conf, "nix.conf"), NIX_CONF);
  const env = { PATH: process.env.PATH, HOME: directory, NIX_REMOTE: "", NIX_CONF_DIR: conf };
  return (command) =>
    execFileSync("unshare", ["-m", "sh", "-ec", IN_PRIVATE_NIX, "sh", nix, ...command], {
      env,
      maxBuffer: OUTPUT_BYTES_MAX,
      stdio: ["ignore", "pipe", "pipe"],
    });
}

function lines(output: Buffer): string[] {
  return output.toString().split("\n").filter(Boolean);
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
