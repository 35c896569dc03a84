/*
`nix-store --realise`: derivations become outputs, other paths must be there; and `--print-env`, what a derivation's builder would see.
*/

import { parseAbsoluteStorePath, type StorePath } from "@firn/nix-compat";
import { CliError, EXIT } from "../error.ts";
import { tellMissing } from "../missing-derivations.ts";
import { realise } from "../realise.ts";
import type { EvaluatedDerivation } from "../evaluator/job.ts";
import type { Session } from "../session.ts";
import { substituteMissing } from "../substitution.ts";
import { addRoot } from "./gc-root.ts";
import { checkAgain, realiseOptionsOf } from "./nix-realise.ts";
import { checkFlags, type StoreArguments } from "./nix-store-arguments.ts";
import { type PathGraph, setOf } from "./path-graph.ts";
import { openGraph, storePathOf } from "./store-operand.ts";
import { UsageError } from "./usage-error.ts";
import { shellQuote } from "../shell-quote.ts";

/** What is to be made: a path, and for a derivation which outputs, undefined for all. */
export type Target = { readonly path: StorePath; readonly outputs: readonly string[] | undefined };

export async function realiseOperation(given: StoreArguments, session: Session): Promise<number> {
  checkFlags(given.flags, ["--dry-run", "--ignore-unknown", "--check"]);
  const graph = await openGraph(session);
  let targets = given.operands.map((operand) => targetOf(operand, session));
  if (given.flags.includes("--ignore-unknown")) {
    const known = await Promise.all(targets.map(({ path }) => graph.find(path)));
    targets = targets.filter((_, index) => known[index] !== undefined);
  }
  await noteMissing(targets, graph, session);
  if (given.flags.includes("--dry-run")) return EXIT.ok;
  if (given.flags.includes("--check")) return await checkOperation(targets, given, session, graph);
  const made = await make(targets, given, session, graph);
  if (given.flags.includes("--ignore-unknown")) return EXIT.ok;
  for (const path of made) if (!given.noOutput) await session.output.line(path);
  return EXIT.ok;
}

async function checkOperation(
  targets: readonly Target[],
  { settings }: StoreArguments,
  session: Session,
  graph: PathGraph,
): Promise<number> {
  const store = await session.openStore();
  await using lease = await store.leases.openLease("nix-store --realise --check");
  const wanted = (await Promise.all(targets.map((target) => wantedOutputs(target, graph, session)))).flat();
  return await checkAgain(wanted, realiseOptionsOf(settings), session, lease);
}

/** Makes the paths valid, all outputs where they are derivations. */
export async function realisePaths(
  paths: readonly StorePath[],
  given: StoreArguments,
  session: Session,
): Promise<void> {
  await make(
    paths.map((path) => ({ path, outputs: undefined })),
    { ...given, root: undefined },
    session,
    await openGraph(session),
  );
}

/** Yields what is printed: the links of `--add-root`, or the paths. */
async function make(
  targets: readonly Target[],
  { root, settings }: StoreArguments,
  session: Session,
  graph: PathGraph,
): Promise<string[]> {
  const { storeDir } = session.config;
  const store = await session.openStore();
  await using lease = await store.leases.openLease("nix-store --realise");
  await substituteMissing(
    targets.map(({ path }) => path),
    settings,
    lease,
    session,
  );
  const wanted = (await Promise.all(targets.map((target) => wantedOutputs(target, graph, session)))).flat();
  const built = wanted.length === 0 ? undefined : await realise(wanted, realiseOptionsOf(settings), session, lease);
  const printed: string[] = [];
  let rootNumber = 0;
  for (const { path, outputs } of targets) {
    const drvPath = path.absolute(storeDir);
    if (!path.isDerivation && (await store.pathInfos.get(path.hashPart, { lease })) === undefined)
      throw new CliError("not-found", `path '${drvPath}' does not exist and cannot be created`);
    const places = path.isDerivation ? built?.get(drvPath) : new Map([["out", drvPath]]);
    const linkBase = root === undefined ? undefined : ++rootNumber > 1 ? `${root}-${rootNumber}` : root;
    const made: string[] = [];
    for (const [name, place] of places ?? []) {
      if (outputs !== undefined && !outputs.includes(name)) continue;
      if (linkBase !== undefined)
        made.push(await addRoot(name === "out" ? linkBase : `${linkBase}-${name}`, place, session));
      else {
        const warning = "you did not specify '--add-root'; the result might be removed by the garbage collector";
        await session.output.noteOnce(`warning: ${warning}`);
        made.push(place);
      }
    }
    printed.push(...made.sort());
  }
  return printed;
}

/** What there is to build of a target: each of its outputs that is wanted. Throws `invalid-target` when it has none of that name. */
export async function wantedOutputs(
  { path, outputs }: Target,
  graph: PathGraph,
  { config }: Session,
): Promise<EvaluatedDerivation[]> {
  if (!path.isDerivation) return [];
  const drvPath = path.absolute(config.storeDir);
  const known = await graph.builtOutputs(path);
  const all = [...(await graph.derivation(path)).outputs.keys()];
  const missing = outputs?.find((name) => !all.includes(name));
  if (missing !== undefined)
    throw new CliError("invalid-target", `derivation '${drvPath}' does not have an output named '${missing}'`);
  const places = all.map((name) => ({ name, path: known.get(name)?.absolute(config.storeDir) ?? "" }));
  return (outputs ?? all).map((outputName) => ({
    attrPath: "",
    name: path.name,
    drvPath,
    outputs: places,
    outputName,
  }));
}

/** `PATH`, or `PATH!out,dev` with the outputs that are wanted. */
export function targetOf(operand: string, session: Session): Target {
  const at = operand.indexOf("!");
  if (at < 0) return { path: storePathOf(operand, session), outputs: undefined };
  const outputs = operand
    .slice(at + 1)
    .split(",")
    .filter((name) => name !== "");
  return { path: storePathOf(operand.slice(0, at), session), outputs: outputs.length === 0 ? undefined : outputs };
}

/** Says on stderr what would be built, dependencies first. */
export async function noteMissing(targets: readonly Target[], graph: PathGraph, session: Session): Promise<void> {
  const missing = setOf([]);
  const seen = new Set<string>();
  const stack = targets.filter(({ path }) => path.isDerivation);
  for (let target = stack.pop(); target !== undefined; target = stack.pop()) {
    const key = `${target.path}!${target.outputs?.join(",") ?? "*"}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const derivation = await graph.derivation(target.path);
    const places = await graph.builtOutputs(target.path);
    let isThere = true;
    for (const name of target.outputs ?? derivation.outputs.keys()) {
      const place = places.get(name);
      if (place === undefined || (await graph.find(place)) === undefined) isThere = false;
    }
    if (isThere) continue;
    missing.set(target.path.toString(), target.path);
    for (const [input, outputs] of derivation.inputDrvs)
      stack.push({ path: parseAbsoluteStorePath(input, session.config.storeDir), outputs });
  }
  const paths = missing.size === 0 ? [] : await graph.sorted(missing);
  await tellMissing(
    paths.map((path) => path.absolute(session.config.storeDir)),
    session.output,
  );
}

/** A derivation's environment as lines a shell can read. */
export async function printEnvironment({ flags, operands }: StoreArguments, session: Session): Promise<void> {
  checkFlags(flags);
  if (operands.length !== 1) throw new UsageError("'--print-env' requires one derivation store path");
  const graph = await openGraph(session);
  const { env, args } = await graph.derivation(storePathOf(operands[0], session));
  let text = "";
  for (const [name, value] of env) text += `export ${name}; ${name}=${shellQuote(value)}\n`;
  await session.output.byteString(`${text}export _args; _args=${shellQuote(args.join(" "))}\n`);
}
