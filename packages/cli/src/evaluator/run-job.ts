/*
One job on an evaluator: find the value, then print it or list its derivations. Knows nothing of threads.
*/

import {
  Attrs,
  coerceToString,
  deepForce,
  type Evaluator,
  force,
  lazily,
  type Lazy,
  PathValue,
  printValue,
  resolvePath,
  showExpr,
  textOfString,
  type Value,
  valueToJson,
  valueToXml,
} from "@firn/eval";
import { findAlong } from "./attr-path.ts";
import { findDerivations } from "./find-derivations.ts";
import type { EvalJob, EvalOutput, EvalResult, EvalSource } from "./job.ts";

/** Within `evaluator.run`. */
export function runJob(evaluator: Evaluator, job: EvalJob): EvalResult {
  if (job.output.kind === "parse") return { kind: "printed", texts: [parsed(evaluator, job.source)] };
  const root = valueOf(evaluator, job.source);
  const args = argumentsOf(evaluator, job);
  const paths = job.attrPaths.length === 0 ? [""] : job.attrPaths;
  const { output } = job;
  if (output.kind === "derivations") {
    const derivations = paths.flatMap((path) =>
      findDerivations(evaluator, findAlong(evaluator, root, path, args), path, args),
    );
    return { kind: "derivations", derivations };
  }
  return { kind: "printed", texts: paths.map((path) => printed(findAlong(evaluator, root, path, args), output)) };
}

function valueOf(evaluator: Evaluator, source: EvalSource): Value {
  const { rootTree } = evaluator.io;
  if (source.kind === "file") return evaluator.importPath(new PathValue(rootTree, source.path));
  return evaluator.evaluate(source.text, new PathValue(rootTree, source.baseDirectory));
}

function parsed(evaluator: Evaluator, source: EvalSource): string {
  const { rootTree } = evaluator.io;
  const directory = new PathValue(
    rootTree,
    source.kind === "file" ? resolvePath(source.path, "..") : source.baseDirectory,
  );
  const text = source.kind === "file" ? evaluator.io.readFile(new PathValue(rootTree, source.path)) : source.text;
  const tree = evaluator.parse(text, directory, source.kind === "file" ? source.path : "«string»");
  // The start of an interpolated path keeps its slash.
  return showExpr(tree, (path) => resolvePath(directory.path, path) + (/[^/]\/$/.test(path) ? "/" : ""));
}

/** `--arg` expressions are evaluated when they are asked for. */
function argumentsOf(evaluator: Evaluator, job: EvalJob): Attrs {
  const { rootTree } = evaluator.io;
  const directory = job.source.kind === "file" ? resolvePath(job.source.path, "..") : job.source.baseDirectory;
  const entries = new Map<string, Lazy>();
  for (const { name, kind, value } of job.args) {
    const base = new PathValue(rootTree, directory);
    entries.set(name, kind === "string" ? value : lazily(() => evaluator.evaluate(value, base)));
  }
  return Attrs.fromMap(entries);
}

function printed(value: Value, output: Extract<EvalOutput, { kind: "value" }>): string {
  switch (output.format) {
    case "json":
      return valueToJson(value, { strict: true, paths: "text" }).text;
    case "xml":
      return valueToXml(value, { strict: output.strict, location: false }).text;
    case "raw":
      return textOfString(coerceToString(value, "natural", "text"));
    case "nix":
      if (output.strict) deepForce(value);
      return printValue(force(value));
  }
}
