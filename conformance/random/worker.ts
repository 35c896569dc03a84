/*
Firn as the random programs see it: an evaluator that takes texts and says what became of each, and which builtins were called on the way.
*/

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parentPort } from "node:worker_threads";
import { assert } from "@firn/base";
import {
  Attrs,
  Builtin,
  call1,
  EvalError,
  Evaluator,
  force,
  forceText,
  lazily,
  type Lazy,
  PathValue,
  type Value,
} from "@firn/eval";
import { EvalStore, storeBuiltins, StoreIo } from "@firn/glue/evaluation";
import { useNodeKernels } from "@firn/hash/node";
import { DiskFiles } from "../../packages/cli/src/evaluator/disk-files.ts";
import type { Outcome } from "./reference-batch.ts";

/** `called` are the builtins that were called so far, `uncalled` those that were not. */
export type Answer = {
  readonly outcomes: readonly Outcome[];
  readonly called: readonly string[];
  readonly uncalled: readonly string[];
};

const port = parentPort;
assert(port !== null, "worker.ts runs in a worker thread");

useNodeKernels();
Error.stackTraceLimit = 0;

const store = new EvalStore({ storeDir: "/nix/store", files: new DiskFiles(), onPending: () => {} });
const io = new StoreIo({ store, environment: () => "", log: () => {} });
const show = readFileSync(join(import.meta.dirname, "show.nix"), "latin1");

const called = new Set<string>();

const evaluator = new Evaluator({
  io,
  builtins: storeBuiltins(store),
  currentSystem: "x86_64-linux",
  currentTime: 0,
  observer: { builtinEntered: (name) => void called.add(name) },
});
const base = new PathValue(io.rootTree, "/");
const shower: Value = evaluator.run(() => evaluator.evaluate(show, base));
called.clear();
const names = evaluator.builtins.names.filter((name) => evaluator.builtins.get(name) instanceof Builtin);

function outcomeOf(program: string): Outcome {
  try {
    return evaluator.run(() => {
      const shown = call1(
        shower,
        lazily(() => evaluator.evaluate(program, base)),
        0,
      );
      assert(shown instanceof Attrs, "show.nix gives a set");
      if (force(shown.get("success") as Lazy) !== true) return { kind: "caught", text: "" };
      return { kind: "value", text: forceText(shown.get("value") as Lazy) };
    });
  } catch (thrown) {
    if (thrown instanceof EvalError) return { kind: "error", text: thrown.message.split("\n", 1)[0] };
    return { kind: "crash", text: String(thrown) };
  }
}

port.on("message", (programs: readonly string[]) => {
  const outcomes = programs.map(outcomeOf);
  const answer: Answer = { outcomes, called: [...called], uncalled: names.filter((name) => !called.has(name)) };
  port.postMessage(answer);
});
