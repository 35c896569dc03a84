/*
C++ Nix as Debian packages it (2.8.0), with a private store that is thrown away: what it prints for a case, and the .drv files it writes.
It is the reference of the conformance tests and runs nowhere else.
*/

import { execFileSync } from "node:child_process";
import { chmodSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What an evaluator made of a case: a text, or a failure whose message nobody compares. */
export type Outcome = { readonly text: string } | { readonly failed: true };

/** Those that both evaluators have and agree on. */
export const EXPERIMENTAL_FEATURES = ["ca-derivations", "impure-derivations"];

export class Reference {
  readonly #directory = mkdtempSync(join(tmpdir(), "firn-conformance-"));
  readonly #root = join(this.#directory, "root");

  #instantiate(args: readonly string[]): string {
    const env = {
      PATH: process.env.PATH,
      HOME: this.#directory,
      NIX_REMOTE: `local?root=${this.#root}`,
      NIX_CONFIG: `build-users-group =\nexperimental-features = ${EXPERIMENTAL_FEATURES.join(" ")}`,
    };
    const stdio: ["ignore", "pipe", "pipe"] = ["ignore", "pipe", "pipe"];
    return execFileSync("nix-instantiate", args, { env, stdio, encoding: "latin1", maxBuffer: 1 << 28 });
  }

  #outcome(args: readonly string[]): Outcome {
    try {
      return { text: this.#instantiate(args).replace(/\n$/, "") };
    } catch (thrown) {
      if (typeof (thrown as { status?: unknown }).status !== "number") throw thrown;
      return { failed: true };
    }
  }

  /** The value of a file, as byte string without the final line end. */
  value(file: string, format: "nix" | "json"): Outcome {
    return this.#outcome(["--eval", "--strict", ...(format === "json" ? ["--json"] : []), file]);
  }

  /** The parse tree of a file as `--parse` prints it. */
  parse(file: string): Outcome {
    return this.#outcome(["--parse", file]);
  }

  /** Instantiates a file; yields the .drv paths it names, in its order, without the output chosen. */
  derivations(file: string): string[] {
    const lines = this.#instantiate([file]).trim().split("\n");
    return lines.map((line) => line.replace(/!.*$/, ""));
  }

  /** The bytes of a file of its store, as byte string; undefined when there is no such regular file. */
  storeText(storePath: string): string | undefined {
    const file = join(this.#root, storePath);
    const status = lstatSync(file, { throwIfNoEntry: false });
    return status?.isFile() ? readFileSync(file, "latin1") : undefined;
  }

  /** Whether its store has this path. */
  has(storePath: string): boolean {
    return lstatSync(join(this.#root, storePath), { throwIfNoEntry: false }) !== undefined;
  }

  remove(): void {
    makeWritable(this.#directory);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Store directories are read-only, which keeps anyone but root from removing what is in them. */
function makeWritable(directory: string): void {
  chmodSync(directory, 0o755);
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) makeWritable(join(directory, entry.name));
  }
}
