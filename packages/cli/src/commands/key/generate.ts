/* `firn key generate`: a new key for signing paths, as Nix has them. */

import { generateSecretKey } from "@firn/nix-compat";
import { defineCommand, examples } from "../../command.ts";
import type { Session } from "../../session.ts";

export type GenerateOptions = { readonly name: string; readonly json: boolean };

export const command = defineCommand<GenerateOptions>({
  declare: (command) =>
    command
      .argument("<name>", "what the key is called, cache.example.org-1 for example")
      .option("--json", "print {name, secret, public}")
      .addHelpText(
        "after",
        examples(["(umask 077; firn key generate example-1 > secret.key)", "a file that only its owner reads"]),
      ),
  optionsOf: ([name], flags) => ({ name, json: flags.json === true }),
  run: generate,
});

async function generate({ name, json }: GenerateOptions, { output }: Session): Promise<undefined> {
  const key = await generateSecretKey(name);
  if (json) await output.json({ name, secret: key.reveal(), public: String(key.publicKey) });
  else await output.line(key.reveal());
  return undefined;
}
