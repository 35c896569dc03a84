/* `firn key public`: the public key that belongs to a secret one, for others' trusted keys. */

import { defineCommand, examples } from "../../command.ts";
import type { Session } from "../../session.ts";
import { readSecretKey } from "../store/sign.ts";

export type PublicOptions = { readonly file: string; readonly json: boolean };

export const command = defineCommand<PublicOptions>({
  declare: (command) =>
    command
      .argument("<file>", "file with a secret key")
      .option("--json", "print {name, public}")
      .addHelpText("after", examples(["firn key public secret.key", "for trusted-public-keys"])),
  optionsOf: ([file], flags) => ({ file, json: flags.json === true }),
  run: async ({ file, json }: PublicOptions, session: Session) => {
    const { name, publicKey } = await readSecretKey(file, session);
    if (json) await session.output.json({ name, public: String(publicKey) });
    else await session.output.line(String(publicKey));
    return undefined;
  },
});
