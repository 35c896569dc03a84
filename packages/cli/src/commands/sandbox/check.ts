/* `firn sandbox check`: which sandboxes work on this machine, and what is in the way of the others. */

import { defineCommand, examples } from "../../command.ts";
import type { Session } from "../../session.ts";

export type SandboxCheckOptions = { readonly json: boolean };

export const command = defineCommand<SandboxCheckOptions>({
  declare: (command) =>
    command
      .option("--json", "print an object of kinds, cgroups and shell")
      .addHelpText(
        "after",
        examples(
          ["firn sandbox check", "tries each kind by running a small job in it"],
          ["firn build --sandbox runc …", "builds with one of them"],
        ),
      ),
  optionsOf: (_, flags) => ({ json: flags.json === true }),
  run: check,
});

async function check({ json }: SandboxCheckOptions, { output, buildsHostDir }: Session): Promise<undefined> {
  const { checkSandboxes } = await import("@firn/sandbox");
  const { kinds, cgroups, shell } = await checkSandboxes({ stateDir: buildsHostDir });
  if (json) {
    await output.json({ kinds, cgroups: cgroups ?? null, shell: shell ?? null });
    return undefined;
  }
  for (const { kind, problem } of kinds) await output.line(`${kind.padEnd(12)}${problem ?? "works"}`);
  const noCgroups = "no rights over them: --memory is refused, costs are those of processes that were waited for";
  await output.line(`${"cgroups".padEnd(12)}${cgroups === undefined ? noCgroups : `version ${cgroups}`}`);
  const shells = { busybox: "a static busybox", host: "the host's sh with its libraries" };
  const noShell = "none: install busybox-static, or builders have no /bin/sh";
  await output.line(`${"/bin/sh".padEnd(12)}${shell === undefined ? noShell : shells[shell]}`);
  return undefined;
}
