/*
One job on an evaluator: find the value, then print it or list its derivations. Knows nothing of threads.
*/

import {
  Attrs,
  call2,
  coerceToPath,
  coerceToString,
  deepForce,
  type Evaluator,
  force,
  lazily,
  type Lazy,
  PathValue,
  printValue,
  resolvePath,
  showCode,
  showExpr,
  textOfString,
  type Value,
  valueToJson,
  valueToXml,
} from "@firn/eval";
import { findAlong } from "./attr-path.ts";
import { findDerivations } from "./find-derivations.ts";
import type { EvalJob, EvalOutput, EvalResult, EvalSource, EvaluatedDerivation } from "./job.ts";

/** Within `evaluator.run`. `onFound` hears of derivations before all of them are found. */
export function runJob(
  evaluator: Evaluator,
  job: EvalJob,
  onFound?: (derivation: EvaluatedDerivation) => void,
): EvalResult {
  if (job.output.kind === "parse") return { kind: "printed", texts: [parsed(evaluator, job.source)] };
  if (job.output.kind === "code") return { kind: "printed", texts: [compiled(evaluator, job.source)] };
  if (job.output.kind === "find-file")
    return { kind: "printed", texts: job.output.names.map((name) => findOnSearchPath(evaluator, name).path) };
  const root = valueOf(evaluator, job.source);
  const args = argumentsOf(evaluator, job);
  const paths = job.attrPaths.length === 0 ? [""] : job.attrPaths;
  const { output } = job;
  if (output.kind === "derivations") {
    const derivations = paths.flatMap((path) =>
      findDerivations(evaluator, findAlong(evaluator, root, path, args), path, args, onFound),
    );
    return { kind: "derivations", derivations };
  }
  const texts = paths.map((path) => {
    const value = findAlong(evaluator, root, path, args);
    // As C++ Nix: a function at the end is called only where there is something to call it with.
    return printed(job.args.length === 0 ? value : evaluator.autoCall(value, args), output);
  });
  return { kind: "printed", texts };
}

function valueOf(evaluator: Evaluator, source: EvalSource): Value {
  const { rootTree } = evaluator.io;
  switch (source.kind) {
    case "file":
      return evaluator.importPath(new PathValue(rootTree, source.path));
    case "search-path":
      return evaluator.importPath(findOnSearchPath(evaluator, source.name));
    case "expression":
      return evaluator.evaluate(source.text, new PathValue(rootTree, source.baseDirectory), source.label);
  }
}

/** The path `<name>` stands for. */
function findOnSearchPath(evaluator: Evaluator, name: string): PathValue {
  const { builtins } = evaluator;
  return coerceToPath(call2(force(builtins.get("findFile") as Lazy), builtins.get("nixPath") as Lazy, name, 0));
}

/** The file a source is, and the directory its relative paths are relative to. */
function placeOf(
  evaluator: Evaluator,
  source: EvalSource,
): { readonly file?: PathValue; readonly directory: PathValue } {
  const { rootTree } = evaluator.io;
  if (source.kind === "expression") return { directory: new PathValue(rootTree, source.baseDirectory) };
  const file = source.kind === "file" ? new PathValue(rootTree, source.path) : findOnSearchPath(evaluator, source.name);
  return { file, directory: new PathValue(file.tree, resolvePath(file.path, "..")) };
}

/** A source as text, with what the evaluator takes besides. */
function textOfSource(evaluator: Evaluator, source: EvalSource): readonly [string, PathValue, string | undefined] {
  const { file, directory } = placeOf(evaluator, source);
  if (source.kind === "expression") return [source.text, directory, source.label];
  return [evaluator.io.readFile(file as PathValue), directory, file?.path];
}

function compiled(evaluator: Evaluator, source: EvalSource): string {
  const { root, base } = evaluator.compile(...textOfSource(evaluator, source));
  return showCode(root, base);
}

function parsed(evaluator: Evaluator, source: EvalSource): string {
  const [text, directory, label] = textOfSource(evaluator, source);
  const tree = evaluator.parse(text, directory, label);
  return showExpr(tree, (path) => {
    if (path.startsWith("~")) return path;
    // The start of an interpolated path keeps its slash.
    return resolvePath(directory.path, path) + (/[^/]\/$/.test(path) ? "/" : "");
  });
}

/** `--arg` expressions are evaluated when they are asked for. */
function argumentsOf(evaluator: Evaluator, job: EvalJob): Attrs {
  const { argsDirectory, source } = job;
  const base =
    argsDirectory === undefined
      ? placeOf(evaluator, source).directory
      : new PathValue(evaluator.io.rootTree, argsDirectory);
  const entries = new Map<string, Lazy>();
  for (const { name, kind, value } of job.args) {
    entries.set(name, kind === "string" ? value : lazily(() => evaluator.evaluate(value, base)));
  }
  return Attrs.fromMap(entries);
}

function printed(value: Value, output: Extract<EvalOutput, { kind: "value" }>): string {
  switch (output.format) {
    case "json":
      return valueToJson(value, { strict: output.strict, paths: "text" }).text;
    case "xml":
      return valueToXml(value, { strict: output.strict, location: output.location === true }).text;
    case "raw":
      return textOfString(coerceToString(value, "natural", "text"));
    case "nix":
      if (output.strict) deepForce(value);
      return printValue(force(value));
  }
}
