/*
`nix-store --query`: questions about store paths. Follows opQuery of C++ Nix.
*/

import { printHash } from "@firn/hash";
import type { StorePath } from "@firn/nix-compat";
import { CliError } from "../error.ts";
import type { Session } from "../session.ts";
import { dotGraph, graphMl, treeLines } from "./path-drawing.ts";
import { inOrder, type PathGraph, type PathSet, setOf } from "./path-graph.ts";
import type { StoreArguments } from "./nix-store-arguments.ts";
import { realisePaths } from "./nix-store-realise.ts";
import { openGraph, storePathOf } from "./store-operand.ts";
import { UsageError } from "./usage-error.ts";

const QUERIES: Readonly<Record<string, string>> = {
  "--outputs": "outputs",
  "--requisites": "requisites",
  "-R": "requisites",
  "--references": "references",
  "--referrers": "referrers",
  "--referers": "referrers",
  "--referrers-closure": "referrers-closure",
  "--referers-closure": "referrers-closure",
  "--deriver": "deriver",
  "-d": "deriver",
  "--valid-derivers": "valid-derivers",
  "--binding": "binding",
  "-b": "binding",
  "--hash": "hash",
  "--size": "size",
  "--tree": "tree",
  "--graph": "graph",
  "--graphml": "graphml",
  "--resolve": "resolve",
  "--roots": "roots",
};

type Question = {
  readonly kind: string;
  readonly operands: readonly string[];
  readonly binding: string;
  readonly useOutput: boolean;
  readonly includeOutputs: boolean;
  readonly forceRealise: boolean;
};

export async function query(given: StoreArguments, session: Session): Promise<void> {
  const question = questionOf(given);
  const graph = await openGraph(session);
  const asked = question.operands.map((operand) => storePathOf(operand, session));
  if (question.forceRealise) await realisePaths(asked, given, session);
  const subjects = async (useOutput = question.useOutput): Promise<StorePath[]> => {
    const sets = await Promise.all(asked.map((path) => (useOutput ? outputsOf(path, graph) : [path])));
    return sets.flat();
  };
  const { output, config } = session;
  const printed = (path: StorePath) => path.absolute(config.storeDir);
  const lines = (paths: Iterable<StorePath>) =>
    output.byteString([...paths].map((path) => `${printed(path)}\n`).join(""));

  switch (question.kind) {
    case "outputs":
      return lines(await subjects(true));
    case "requisites":
    case "references":
    case "referrers":
    case "referrers-closure":
      return lines(await graph.sorted(await relatives(question, await subjects(), graph)));
    case "deriver":
      for (const path of asked) {
        const { deriver } = await graph.info(path);
        await output.line(deriver === undefined ? "unknown-deriver" : printed(deriver));
      }
      return;
    case "valid-derivers": {
      const derivers = await Promise.all(asked.map((path) => graph.validDerivers(path)));
      return lines(await graph.sorted(setOf(derivers.flat())));
    }
    case "binding":
      for (const path of asked) await output.byteString(`${await binding(path, question.binding, graph, printed)}\n`);
      return;
    case "hash":
      for (const path of await subjects())
        await output.line(printHash({ algorithm: "sha256", bytes: (await graph.info(path)).narSha256 }, "nix32"));
      return;
    case "size":
      for (const path of await subjects()) await output.line(`${(await graph.info(path)).narSize}`);
      return;
    case "tree":
      for await (const line of treeLines(asked, graph, printed)) await output.line(line);
      return;
    case "graph":
      return output.byteString(await dotGraph(await subjects(), graph));
    case "graphml":
      return output.byteString(await graphMl(await subjects(), graph));
    case "resolve":
      return lines(asked);
    default:
      return printRootsOf(await subjects(), graph, session);
  }
}

function questionOf({ flags, operands }: StoreArguments): Question {
  let kind: string | undefined;
  let binding = "";
  const rest = [...operands];
  for (const flag of flags) {
    const named = QUERIES[flag];
    if (named === undefined) {
      if (["--use-output", "-u", "--force-realise", "--force-realize", "-f", "--include-outputs"].includes(flag))
        continue;
      throw new UsageError(`unknown flag '${flag}'`);
    }
    if (named === "binding") {
      const name = rest.shift();
      if (name === undefined) throw new UsageError("expected binding name");
      binding = name;
    }
    if (kind !== undefined && kind !== named) throw new UsageError(`query type '${flag}' conflicts with earlier flag`);
    kind = named;
  }
  const has = (...names: string[]) => names.some((name) => flags.includes(name));
  return {
    kind: kind ?? "outputs",
    operands: rest,
    binding,
    useOutput: has("--use-output", "-u"),
    includeOutputs: has("--include-outputs"),
    forceRealise: has("--force-realise", "--force-realize", "-f"),
  };
}

/** A derivation's outputs in the order of their paths; anything else stands for itself. */
async function outputsOf(path: StorePath, graph: PathGraph): Promise<StorePath[]> {
  if (!path.isDerivation) return [path];
  const outputs = await graph.outputs(path);
  if (outputs.size < (await graph.derivation(path)).outputs.size) {
    throw new UsageError(
      "Cannot use output path of floating content-addressing derivation until we know what it is (e.g. by building it)",
    );
  }
  return inOrder(setOf(outputs.values()));
}

async function relatives(question: Question, subjects: readonly StorePath[], graph: PathGraph): Promise<PathSet> {
  const found: PathSet = new Map();
  switch (question.kind) {
    case "references":
      for (const path of subjects)
        for (const reference of (await graph.info(path)).references) found.set(`${reference}`, reference);
      break;
    case "referrers":
      for (const path of subjects)
        for (const referrer of await graph.referrers(path)) found.set(`${referrer}`, referrer);
      break;
    case "referrers-closure":
      await graph.close(subjects, found, (path) => graph.referrers(path));
      break;
    default:
      await graph.close(subjects, found, async (path) => {
        const { references } = await graph.info(path);
        if (!question.includeOutputs || !path.isDerivation) return references;
        const valid: StorePath[] = [];
        for (const output of (await graph.outputs(path)).values())
          if ((await graph.find(output)) !== undefined) valid.push(output);
        return [...references, ...valid];
      });
  }
  return found;
}

async function binding(
  path: StorePath,
  name: string,
  graph: PathGraph,
  printed: (path: StorePath) => string,
): Promise<string> {
  const drvPath = path.isDerivation ? path : (await graph.info(path)).deriver;
  if (drvPath === undefined) throw new CliError("not-found", `deriver of path '${printed(path)}' is not known`);
  const value = (await graph.derivation(drvPath)).env.get(name);
  if (value !== undefined) return value;
  throw new CliError("not-found", `derivation '${printed(drvPath)}' has no environment binding named '${name}'`);
}

async function printRootsOf(subjects: readonly StorePath[], graph: PathGraph, session: Session): Promise<void> {
  const holders: PathSet = new Map();
  await graph.close(subjects, holders, (path) => graph.referrers(path));
  const { roots } = await session.openStore();
  for (const { name, link, path } of roots.listRoots())
    if (holders.has(path.toString()))
      await session.output.line(`${link ?? name} -> ${path.absolute(session.config.storeDir)}`);
}
