/*
A recipe: everything that decides the outcome of a build, and nothing else. It knows no store paths and no derivations: inputs are
castore nodes (or outputs of other recipes) shown at paths below the sandbox's root. Two equal recipes have equal digests
(recipe-digest.ts); every execution of one is an attempt (attempt.ts).

Paths are relative to the sandbox's root, without a leading slash, with no empty, `.` or `..` part ("nix/store/abc-hello").
*/

import type { ByteString } from "@firn/base";
import type { Digest, Node } from "@firn/castore";

/** An input is known, or will be once another recipe was built. */
export type RecipeInput =
  | { readonly path: ByteString; readonly node: Node }
  | { readonly path: ByteString; readonly recipe: Digest; readonly output: number };

export type RecipeConstraints = {
  /** A Nix system name, "x86_64-linux". */
  readonly system: string;
  /** Features the builder must declare, sorted. */
  readonly features: readonly string[];
  /** Whether the network is reachable; only right where outputs are checked against a known hash. */
  readonly network: boolean;
  /** Whether a shell is provided at bin/sh. */
  readonly shell: boolean;
  /** False: the host's files and network are there as well, as far as the builder allows it. Absent: they are not. */
  readonly sandboxed?: false;
};

export type Recipe = {
  /** Sorted by path, no path twice or below another. */
  readonly inputs: readonly RecipeInput[];
  /** Program and arguments; the program is an absolute path inside the sandbox. */
  readonly argv: readonly ByteString[];
  /** What the program gets as its own name (argv[0] of execve); its path when not said. */
  readonly argv0?: ByteString;
  /** Sorted by name; names are not empty and hold neither `=` nor NUL, values no NUL. */
  readonly env: readonly { readonly name: ByteString; readonly value: ByteString }[];
  /** Files written into the sandbox before the start, sorted by path. */
  readonly files: readonly { readonly path: ByteString; readonly contents: ByteString }[];
  /** Where the program starts; a writable, empty, private directory ("build"). */
  readonly workingDirectory: ByteString;
  /** Paths that must exist afterwards, in the order results are given; their parent is writable. */
  readonly outputs: readonly ByteString[];
  readonly constraints: RecipeConstraints;
  /** Byte strings to look for in the outputs; an attempt says which output holds which, by index. */
  readonly needles: readonly ByteString[];
};
