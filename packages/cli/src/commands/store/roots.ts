/* `firn store roots`: what holds store paths against garbage collection, listed, added, removed. */

import { resolve } from "node:path";
import { defineCommand, examples } from "../../command.ts";
import { CliError } from "../../error.ts";
import { upkeepOf } from "../../garbage.ts";
import type { Session } from "../../session.ts";
import { findTarget } from "../../store-target.ts";

export type RootsOptions = { readonly json: boolean } & (
  | { readonly action: "list" }
  | { readonly action: "add"; readonly name: string; readonly path: string }
  | { readonly action: "remove"; readonly names: readonly string[] }
);

export const command = defineCommand<RootsOptions>({
  declare: (command) =>
    command
      .argument("[action]", "list (when nothing is said), add or remove")
      .argument("[operand...]", "add: a name and a path; remove: names, or links to results")
      .option(
        "--json",
        "list: print a list of {name, link, path}, and of {lease, label, since} of commands running here",
      )
      .addHelpText(
        "after",
        examples(
          ["firn store roots", "what is held, and by what"],
          ["firn store roots add toolchain ./result", "holds a result under a name"],
          ["firn store roots remove toolchain", "lets go of it"],
          ["firn store roots add toolchain ./result --store grpc+http://HOST:7420", "holds what a server has"],
          ["firn store roots remove ./result", "lets go of what a link holds; the link stays"],
        ),
      ),
  store: "any",
  optionsOf: ([action = "list", ...operands], flags) => {
    const json = flags.json === true;
    if (action === "list" && operands.length === 0) return { action, json };
    const [name, path] = operands;
    if (action === "add" && operands.length === 2) return { action, name, path, json };
    if (action === "remove" && operands.length > 0) return { action, names: operands, json };
    const expected = "'list', 'add NAME PATH' or 'remove NAME…'";
    throw new CliError("usage", `firn store roots takes ${expected}, got '${[action, ...operands].join(" ")}'`);
  },
  run: async (options, session) => {
    if (options.action === "list") await list(options.json, session);
    else if (options.action === "add") await add(options.name, options.path, session);
    else await remove(options.names, session);
    return undefined;
  },
});

async function list(json: boolean, session: Session): Promise<void> {
  const { output, config } = session;
  const { roots } = await upkeepOf(session);
  const leases = session.isLocal ? (await session.openStore()).leases.list() : [];
  const rows = (await roots.listRoots()).map(({ name, link, path }) => ({
    name,
    link,
    path: path.absolute(config.storeDir),
  }));
  const running = leases.map(({ id, label, openedAt }) => ({ lease: id, label, since: openedAt }));
  if (json) return output.json([...rows, ...running]);
  for (const { name, link, path } of rows) await output.line(`${link ?? name} -> ${path}`);
  for (const { label } of running) await output.line(`(running: ${label})`);
}

async function add(name: string, path: string, session: Session): Promise<void> {
  const { roots } = await upkeepOf(session);
  await using lease = await (await session.openServices()).openLease("roots add");
  const { info, rest } = await findTarget(path, session, lease === undefined ? {} : { lease });
  if (rest !== "") throw new CliError("invalid-target", `'${path}' is inside of a store path; a root holds whole ones`);
  await roots.addRoot(name, info.path);
}

async function remove(names: readonly string[], session: Session): Promise<void> {
  const { roots } = await upkeepOf(session);
  const known = await roots.listRoots();
  for (const name of names) {
    const link = session.isLocal ? resolve(session.config.workingDirectory, name) : name; // a server's are its own
    if (known.some((root) => root.name === name)) await roots.removeRoot(name);
    else if (known.some((root) => root.link === link)) await roots.removeIndirectRoot(link);
    else throw new CliError("not-found", `there is no root '${name}': \`firn store roots\` lists them`);
  }
}
