/*
`firn store add`: a copy of something as a store path. What is the host's own, or comes in an archive, gets the content-addressed path that
`nix-store --add` computes; paths of a real Nix store keep theirs.
*/

import { basename, resolve } from "node:path";
import { printHash } from "@firn/hash";
import type { PathInfo } from "@firn/store";
import { defineCommand, examples } from "../../command.ts";
import { CliError } from "../../error.ts";
import { type AddedForm, addHostPath } from "../../host-path-add.ts";
import type { Session } from "../../session.ts";

export type AddOptions = {
  readonly paths: readonly string[];
  readonly name: string | undefined;
  readonly form: AddedForm;
  /** The host directory of a Nix store that the paths are in. */
  readonly nixStore: string | undefined;
  readonly database: string | undefined;
  readonly statCache: boolean;
  readonly json: boolean;
};

export const command = defineCommand<AddOptions>({
  store: "local",
  declare: (command) =>
    command
      .argument("[path...]", "files or directories of the host; archives with --tar or --nar, `-` being standard input")
      .option("-n, --name <name>", "name of the store path (default: that of the file, without .tar.gz and the like)")
      .option("--tar", "the path is a tar archive, packed or not: add the tree in it")
      .option("--nar", "the path is a NAR: add the tree in it")
      .option("--from-nix <dir>", "paths of a real Nix store whose files are in <dir>, with all they refer to")
      .option("--db <file>", "that store's database (default: ../var/nix/db/db.sqlite beside <dir>)")
      .option("--all", "with --from-nix: everything that is valid there")
      .option("--no-stat-cache", "read every file, also those that look as they did when they were added last")
      .option("--json", "print a list of {path, narHash, narSize}")
      .addHelpText(
        "after",
        examples(
          ["firn store add ./src", "copies ./src, prints its store path"],
          ["firn store add --name source .", "under another name"],
          ["curl $URL | firn store add --tar -n src -", "what is in an archive"],
          ["firn store add --from-nix /nix/store $(which git)", "a program of Nix, with its closure"],
        ),
      ),
  optionsOf: (operands, flags) => {
    const text = (name: string) => flags[name] as string | undefined;
    const name = text("name");
    const forms = (["tar", "nar"] as const).filter((form) => flags[form] === true);
    const nixStore = text("fromNix");
    if (name !== undefined && operands.length > 1) throw new CliError("usage", "--name names one path, not several");
    if (forms.length + (nixStore === undefined ? 0 : 1) > 1)
      throw new CliError("usage", "--tar, --nar and --from-nix exclude each other");
    if (nixStore === undefined && (flags.all === true || text("db") !== undefined))
      throw new CliError("usage", "--all and --db belong to --from-nix");
    if (nixStore !== undefined && name !== undefined)
      throw new CliError("usage", "paths of a Nix store keep their names, so --name has nothing to say");
    if ((operands.length === 0) !== (flags.all === true))
      throw new CliError(
        "usage",
        flags.all === true ? "--all says what to add, paths say it again" : "a path is missing",
      );
    if (operands.includes("-") && forms.length > 0 && name === undefined)
      throw new CliError("usage", "what comes on standard input has no name: give it one with --name");
    const form = forms[0] ?? "tree";
    return {
      paths: operands,
      name,
      form,
      nixStore,
      database: text("db"),
      statCache: flags.statCache !== false,
      json: flags.json === true,
    };
  },
  run: addToStore,
});

async function addToStore(options: AddOptions, session: Session): Promise<undefined> {
  const { output, config } = session;
  const added = [];
  for await (const { path, narSha256, narSize } of addEach(options, session)) {
    const storePath = path.absolute(config.storeDir);
    added.push({ path: storePath, narHash: printHash({ algorithm: "sha256", bytes: narSha256 }, "sri"), narSize });
    if (!options.json) await output.line(storePath);
  }
  if (options.json) await output.json(added);
  return undefined;
}

async function* addEach(
  { paths, name, form, nixStore, database, statCache }: AddOptions,
  session: Session,
): AsyncGenerator<PathInfo> {
  const { workingDirectory } = session.config;
  if (nixStore !== undefined) {
    const { importFromNix } = await import("../../nix-store-import.ts"); // loads SQLite
    const at = (path: string) => resolve(workingDirectory, path);
    const wanted = { nixStoreDir: at(nixStore), database: database === undefined ? undefined : at(database), paths };
    yield* await importFromNix(wanted, session);
    return;
  }
  for (const path of paths) {
    const own = basename(resolve(workingDirectory, path));
    const plain = form === "tree" ? own : own.replace(/\.(nar|tar|tgz|txz|tbz2?)?(\.(gz|xz|bz2|zst))?$/, "");
    yield await addHostPath(
      path,
      { name: name ?? plain, method: "nar", algorithm: "sha256", form, statCache },
      session,
    );
  }
}
