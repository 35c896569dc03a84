/*
Firn as the conformance tests see it: the evaluator's thread, as the commands use it, without a store on disk. What an evaluation wants
stored stays in memory, to be compared.
*/

import type { PendingObject } from "@firn/glue";
import { EvalFailure, EvaluatorHost } from "../packages/cli/src/evaluator/host.ts";
import type { EvalOutput, EvalResult, EvalSource } from "../packages/cli/src/evaluator/job.ts";
import { EXPERIMENTAL_FEATURES, type Outcome } from "./reference.ts";

export class Subject {
  readonly #host = new EvaluatorHost({
    storeDir: "/nix/store",
    searchPath: [],
    system: "x86_64-linux",
    homeDirectory: "/homeless",
    environment: {},
    currentTime: 0,
    localStore: undefined,
    experimentalFeatures: EXPERIMENTAL_FEATURES,
  });
  /** Everything the evaluations so far wanted stored, by store path. */
  readonly objects = new Map<string, PendingObject>();

  async #run(source: EvalSource, attrPaths: readonly string[], output: EvalOutput): Promise<EvalResult> {
    const onPending = (objects: readonly PendingObject[]) => {
      for (const object of objects) this.objects.set(object.path, object);
    };
    return await this.#host.request({ source, attrPaths, args: [], output }, { onPending });
  }

  /** The value of a file; a failure only when the program failed, other errors are thrown. */
  async value(file: string, format: "nix" | "json"): Promise<Outcome> {
    return await this.#outcome(file, { kind: "value", strict: true, format });
  }

  /** The parse tree of a file in the form of `nix-instantiate --parse`. */
  async parse(file: string): Promise<Outcome> {
    return await this.#outcome(file, { kind: "parse" });
  }

  async #outcome(path: string, output: EvalOutput): Promise<Outcome> {
    try {
      return { text: await this.#printed({ kind: "file", path }, [], output) };
    } catch (thrown) {
      if (thrown instanceof EvalFailure) return { failed: true };
      throw thrown;
    }
  }

  /** A string attribute of an expression. */
  async attribute(expression: string, attrPath: string): Promise<string> {
    const source: EvalSource = { kind: "expression", text: expression, baseDirectory: "/" };
    return await this.#printed(source, [attrPath], { kind: "value", strict: true, format: "raw" });
  }

  async #printed(source: EvalSource, attrPaths: readonly string[], output: EvalOutput): Promise<string> {
    const result = await this.#run(source, attrPaths, output);
    if (result.kind !== "printed") throw new Error("a value was asked for");
    return result.texts.join("\n");
  }

  /** The .drv paths of the derivations in a file. */
  async derivations(file: string): Promise<string[]> {
    const result = await this.#run({ kind: "file", path: file }, [], { kind: "derivations" });
    if (result.kind !== "derivations") throw new Error("derivations were asked for");
    return result.derivations.map(({ drvPath }) => drvPath);
  }

  async close(): Promise<void> {
    await this.#host.close();
  }
}
