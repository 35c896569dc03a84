/*
A world with nothing in it, for tests that call builtins directly. Copying a path to the store gives a made-up store path.
*/

import { StringContext } from "../src/context.ts";
import { EvalError } from "../src/error.ts";
import type { EvalIo } from "../src/io.ts";
import { enterEvaluation } from "../src/machine.ts";
import { Positions } from "../src/positions.ts";
import { type PathValue, StringWithContext } from "../src/value.ts";

function nothingThere(path: PathValue): never {
  throw new EvalError("io", `'${path.path}' does not exist`);
}

const ROOT_TREE = { label: "" };

export const EMPTY_IO: EvalIo = {
  rootTree: ROOT_TREE,
  internalTree: { label: "<nix>" },
  storeDir: "/nix/store",
  kindOf: () => undefined,
  readFile: nothingThere,
  readDirectory: nothingThere,
  readLink: nothingThere,
  realise: (path) => path,
  unpacked: () => undefined,
  references: () => [],
  derivationAt: () => undefined,
  copyToStore(path) {
    const storePath = `/nix/store/22222222222222222222222222222222-${path.path.slice(path.path.lastIndexOf("/") + 1)}`;
    return new StringWithContext(storePath, StringContext.of([storePath]) as StringContext);
  },
  environment: () => "",
  log: () => {},
};

/** Lets the machine run in that world. */
export function enterTestEvaluation(): void {
  enterEvaluation(EMPTY_IO, new Positions(), { callDepthMax: 1000 });
}
