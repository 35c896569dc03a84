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
  type BuiltinDefinition,
  call1,
  EvalError,
  Evaluator,
  force,
  forceText,
  lazily,
  type Lazy,
  type Observer,
  PathValue,
  type Value,
} from "@firn/eval";
import { EvalStore, storeBuiltins, StoreIo } from "@firn/glue/evaluation";
import { useNodeKernels } from "@firn/hash/node";
import { DiskFiles } from "../../packages/cli/src/evaluator/disk-files.ts";
import { olderBuiltins } from "./older-builtins.ts";
import type { Outcome } from "./reference-batch.ts";

/** `asOlder`: with the builtins of older-builtins.ts. */
export type Question = { readonly programs: readonly string[]; readonly asOlder: boolean };

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

class Subject {
  readonly evaluator: Evaluator;
  readonly #base = new PathValue(io.rootTree, "/");
  readonly #shower: Value;

  constructor(builtins: readonly BuiltinDefinition[], observer: Observer) {
    this.evaluator = new Evaluator({
      io,
      builtins: [...storeBuiltins(store), ...builtins],
      currentSystem: "x86_64-linux",
      currentTime: 0,
      observer,
    });
    this.#shower = this.evaluator.run(() => this.evaluator.evaluate(show, this.#base));
  }

  outcomeOf(program: string): Outcome {
    const { evaluator } = this;
    try {
      return evaluator.run(() => {
        const value = lazily(() => evaluator.evaluate(program, this.#base));
        const shown = call1(this.#shower, value, 0);
        assert(shown instanceof Attrs, "show.nix gives a set");
        if (force(shown.get("success") as Lazy) !== true) return { kind: "caught", text: "" };
        return { kind: "value", text: forceText(shown.get("value") as Lazy) };
      });
    } catch (thrown) {
      if (thrown instanceof EvalError) return { kind: "error", text: thrown.message.split("\n", 1)[0] };
      return { kind: "crash", text: String(thrown) };
    }
  }
}

const firn = new Subject([], { builtinEntered: (name) => void called.add(name) });
called.clear();
const { builtins } = firn.evaluator;
const older = new Subject(
  olderBuiltins((name) => force(builtins.get(name) as Lazy)),
  {},
);
const names = builtins.names.filter((name) => builtins.get(name) instanceof Builtin);

port.on("message", ({ programs, asOlder }: Question) => {
  const subject = asOlder ? older : firn;
  const outcomes = programs.map((program) => subject.outcomeOf(program));
  const answer: Answer = { outcomes, called: [...called], uncalled: names.filter((name) => !called.has(name)) };
  port.postMessage(answer);
});
