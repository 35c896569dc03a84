/* The reference of these tests: Debian's nix-bin with a private store below a temporary directory, thrown away at the end. */

import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { promisify } from "node:util";

export type NixSandbox = {
  /** A directory of its own for the test's files. */
  readonly directory: string;
  /** Runs a program of nix-bin; store paths are below /nix/store, their files are not. */
  run(program: string, args: readonly string[], input?: string | Uint8Array): Buffer;
  /** As `run`, while this process goes on, so that it may be the other side. Rejects with `stderr` when the program fails. */
  runBeside(program: string, args: readonly string[]): Promise<Buffer>;
  /** Where the files of its store are. */
  readonly root: string;
  /** Instantiates an expression; all .drv files it wrote, by absolute path, as byte strings. */
  instantiate(expression: string): { readonly roots: readonly string[]; readonly texts: ReadonlyMap<string, string> };
};

/** Makes one; it removes itself after the tests of the file. */
export function nixSandbox(): NixSandbox {
  const directory = mkdtempSync(join(tmpdir(), "firn-nix-"));
  after(() => rmSync(directory, { recursive: true, force: true }));
  const root = join(directory, "root");
  const env = {
    PATH: process.env.PATH,
    HOME: directory,
    NIX_REMOTE: `local?root=${root}`,
    NIX_CONFIG:
      "experimental-features = ca-derivations impure-derivations nix-command\nbuild-users-group =\nsubstituters =",
  };
  const run = (program: string, args: readonly string[], input: string | Uint8Array = ""): Buffer =>
    execFileSync(program, args, { env, input, stdio: ["pipe", "pipe", "pipe"], maxBuffer: 1 << 28 });
  return {
    directory,
    root,
    run,
    async runBeside(program, args) {
      const options = { env, maxBuffer: 1 << 28, encoding: "buffer" } as const;
      return (await promisify(execFile)(program, [...args], options)).stdout;
    },
    instantiate(expression) {
      const printed = run("nix-instantiate", ["--expr", expression]).toString("latin1");
      const store = join(root, "nix/store");
      const texts = new Map<string, string>();
      for (const file of readdirSync(store)) {
        if (file.endsWith(".drv")) texts.set(`/nix/store/${file}`, readFileSync(join(store, file), "latin1"));
      }
      return {
        roots: printed
          .trim()
          .split("\n")
          .map((line) => line.replace(/!.*$/, "")),
        texts,
      };
    },
  };
}
