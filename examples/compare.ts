/*
Builds an example twice, by Firn and by Debian's nix-build, and compares every output by its NAR. nix-build gets a /nix of its own: a
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

export type Compared = { readonly paths: readonly string[]; readonly firnMs: number; readonly nixMs: number };

/** Both builders' outputs of `examples/NAME` (with everything `attrs` names) must have equal paths and NARs. */
export function compareBuilds(name: string, attrs: readonly string[]): Compared {
  const directory = mkdtempSync(join(tmpdir(), "firn-example-"));
  try {
    const expression = join(ROOT, "examples", name);
    const selected = attrs.flatMap((attr) => ["-A", attr]);
    const firnEnv = { ...process.env, FIRN_HOME: join(directory, "state") };
    const firn = (args: readonly string[]) =>
      execFileSync(process.execPath, ["--disable-warning=ExperimentalWarning", MAIN, ...args], {
        env: firnEnv,
        maxBuffer: OUTPUT_BYTES_MAX,
        stdio: ["ignore", "pipe", "pipe"],
      });
    const firnStart = performance.now();
    const paths = lines(firn(["build", expression, ...selected, "--no-link"]));
    const firnMs = performance.now() - firnStart;

    const nix = privateNix(directory);
    const nixStart = performance.now();
    const nixPaths = lines(nix(["nix-build", expression, ...selected, "--no-out-link"]));
    const nixMs = performance.now() - nixStart;

    assert.ok(paths.length > 0, "something was built");
    assert.deepEqual([...paths].sort(), [...nixPaths].sort());
    for (const path of paths) {
      assert.equal(
        sha256(firn(["store", "dump", path])),
        sha256(nix(["nix-store", "--dump", path])),
        `contents of ${path}`,
      );
    }
    return { paths, firnMs, nixMs };
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
