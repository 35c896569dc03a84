/* `firn recipe run`: builds recipes written by hand. No store path and no Nix expression is involved: files go in, castore digests come out. */

import { join, resolve } from "node:path";
import { textOf } from "@firn/base";
import type { Attempt, AttemptOutput, Recipe } from "@firn/build";
import type { CallOptions, Digest } from "@firn/castore";
import { attemptJson, nodeName } from "../../attempt-text.ts";
import { builderFlags, declareBuilderFlags } from "../../builder-flags.ts";
import { defineCommand, examples } from "../../command.ts";
import { nodeJson } from "../../node-json.ts";
import type { RecipeBuildOptions } from "../../recipe-builds.ts";
import type { WrittenRecipe } from "../../recipe-file.ts";
import type { Session } from "../../session.ts";

type RunOptions = RecipeBuildOptions & {
  readonly file: string;
  /** Host directory the outputs are written to. */
  readonly out: string | undefined;
  readonly json: boolean;
};

export const command = defineCommand<RunOptions>({
  store: "local",
  declare: (command) =>
    declareBuilderFlags(command.argument("<file>", "recipes as JSON, or TOML when the name ends in .toml"))
      .option("-o, --out <dir>", "write the outputs that no other recipe of the file needs below this directory")
      .option("--no-reuse", "execute also what was built before from the same inputs")
      .option("--json", "print {recipes: {name: {id, status, outputs, …}}}")
      .addHelpText(
        "after",
        examples(
          ["firn recipe run hello.toml", "builds it, prints digests of what it made"],
          ["firn recipe run --json program.json --out .", "for a build tool; see examples/not-nix"],
        ),
      ),
  optionsOf: ([file], flags) => ({
    ...builderFlags(flags),
    file,
    out: flags.out as string | undefined,
    reuse: flags.reuse === false ? "never" : "success",
    json: flags.json === true,
  }),
  run,
});

async function run({ file, out, json, ...options }: RunOptions, session: Session): Promise<number> {
  const { buildRecipes, exitCodeOfAttempts } = await import("../../recipe-builds.ts"); // loads builder and sandbox
  const { readRecipeFile, tieRecipes } = await import("../../recipe-file.ts");
  const { config, output, signal } = session;
  const written = readRecipeFile(resolve(config.workingDirectory, file), config.system);
  const store = await session.openStore();
  await using lease = await store.leases.openLease(`recipe run ${file}`);
  const call = { lease, signal };
  const recipes = await tieRecipes(written, async (hostPath) => (await store.addTree(hostPath, call)).node);
  const submitted = Array.from(recipes, ([label, { recipe }]) => ({ label, recipe }));
  const submittedAtMs = Date.now();
  const attempts = await buildRecipes(submitted, options, session, lease);
  const byName = new Map(Array.from(recipes.keys(), (name, index) => [name, attempts[index]]));
  if (out !== undefined) await writeOutputs(byName, resolve(config.workingDirectory, out), recipes, session, call);
  if (json) {
    const entries = Array.from(byName, ([name, attempt]) => [
      name,
      {
        ...attemptJson(attempt),
        reused: attempt.queuedAtMs < submittedAtMs,
        outputs: byOutput(attempt, ({ node }) => nodeJson(node)),
        references: byOutput(attempt, (one) => referencesOf(one, written.get(name) as WrittenRecipe)),
      },
    ]);
    await output.json({ recipes: Object.fromEntries(entries) });
  } else {
    for (const [name, { status, outputs }] of byName) {
      if (status !== "succeeded") continue;
      for (const one of outputs) {
        const references = referencesOf(one, written.get(name) as WrittenRecipe).join(", ");
        const words = [
          name,
          textOf(one.path),
          nodeName(one.node),
          ...(references === "" ? [] : [`refers to ${references}`]),
        ];
        await output.line(words.join("  "));
      }
    }
  }
  return exitCodeOfAttempts(attempts);
}

/** Only when all succeeded, so that a directory never holds results of two runs. */
async function writeOutputs(
  attempts: ReadonlyMap<string, Attempt>,
  hostDir: string,
  recipes: ReadonlyMap<string, { readonly recipe: Recipe; readonly digest: Digest }>,
  session: Session,
  call: CallOptions,
): Promise<void> {
  if (Array.from(attempts.values()).some(({ status }) => status !== "succeeded")) return;
  const { writeNode } = await import("../../write-node.ts");
  const store = await session.openStore();
  const needed = new Set(
    Array.from(recipes.values()).flatMap(({ recipe }) =>
      recipe.inputs.flatMap((input) => ("recipe" in input ? [input.recipe] : [])),
    ),
  );
  for (const [name, { digest }] of recipes) {
    if (needed.has(digest)) continue;
    for (const { path, node } of attempts.get(name)?.outputs ?? [])
      await writeNode(node, join(hostDir, textOf(path)), store, call);
  }
}

function byOutput<T>({ outputs }: Attempt, of: (output: AttemptOutput) => T): Record<string, T> {
  return Object.fromEntries(outputs.map((output) => [textOf(output.path), of(output)]));
}

/** Names the file gives to what occurs in the output, in its order. */
function referencesOf({ needles: found }: AttemptOutput, { needles, rest }: WrittenRecipe): string[] {
  const texts = new Set(found.map((index) => rest.needles[index]));
  return [...needles].flatMap(([name, text]) => (texts.has(text) ? [name] : []));
}
