/*
The table of commands and the way from a command line to a running one. A command's module is loaded when it is the one that was asked
for; the others are known here by name and summary, which is all that help and suggestions need.
*/

import { Command, CommanderError } from "commander";
import { type AnyCommand, type CommandEntry, joinPairs, splitJoined } from "./command.ts";
import { CliError, EXIT } from "./error.ts";
import type { Session } from "./session.ts";
import { STORE_FORMS } from "./store-choice.ts";
import { VERSION } from "./version.ts";

/** All commands, in the order help shows them. */
export const COMMANDS: readonly CommandEntry[] = [
  { name: "build", summary: "build what an expression describes", load: () => import("./commands/build.ts") },
  { name: "run", summary: "run a program of the store", load: () => import("./commands/run.ts") },
  {
    name: "shell",
    summary: "start a shell with programs on its PATH",
    load: () => import("./commands/shell.ts"),
  },
  {
    name: "develop",
    summary: "start a shell with what a builder has",
    load: () => import("./commands/develop.ts"),
  },
  { name: "eval", summary: "evaluate an expression and print its value", load: () => import("./commands/eval.ts") },
  {
    name: "instantiate",
    summary: "write an expression's derivations to the store",
    load: () => import("./commands/instantiate.ts"),
  },
  {
    name: "parse",
    summary: "parse an expression and print it as understood",
    load: () => import("./commands/parse.ts"),
  },
  {
    name: "log",
    summary: "print what the builder of a path said",
    load: () => import("./commands/log.ts"),
  },
  {
    name: "builds list",
    summary: "list builds that wait, run and ended",
    load: () => import("./commands/builds/list.ts"),
  },
  { name: "builds show", summary: "show all about a build", load: () => import("./commands/builds/show.ts") },
  { name: "builds log", summary: "print what a build said or says", load: () => import("./commands/builds/log.ts") },
  {
    name: "builds cancel",
    summary: "end builds, of other processes too",
    load: () => import("./commands/builds/cancel.ts"),
  },
  {
    name: "builds rerun",
    summary: "execute the recipe of a build again",
    load: () => import("./commands/builds/rerun.ts"),
  },
  {
    name: "builds compare",
    summary: "show what differs between the outputs of two builds",
    load: () => import("./commands/builds/compare.ts"),
  },
  {
    name: "recipe run",
    summary: "build recipes written by hand, without Nix",
    load: () => import("./commands/recipe/run.ts"),
  },
  { name: "drv show", summary: "show what a derivation says", load: () => import("./commands/drv/show.ts") },
  {
    name: "store add",
    summary: "copy a file or directory into the store",
    load: () => import("./commands/store/add.ts"),
  },
  { name: "store ls", summary: "list what a store path holds", load: () => import("./commands/store/ls.ts") },
  { name: "store cat", summary: "print a file of the store", load: () => import("./commands/store/cat.ts") },
  { name: "store dump", summary: "print a store path as a NAR", load: () => import("./commands/store/dump.ts") },
  {
    name: "store path-info",
    summary: "show what the store knows of paths",
    load: () => import("./commands/store/path-info.ts"),
  },
  {
    name: "store copy",
    summary: "copy paths and all they need to another store",
    load: () => import("./commands/store/copy.ts"),
  },
  {
    name: "store publish",
    summary: "write paths and all they need as files for a web server",
    load: () => import("./commands/store/publish.ts"),
  },
  {
    name: "store export",
    summary: "write paths and all they need to one file",
    load: () => import("./commands/store/export.ts"),
  },
  { name: "store import", summary: "take in an exported file", load: () => import("./commands/store/import.ts") },
  { name: "store sign", summary: "sign paths with a key", load: () => import("./commands/store/sign.ts") },
  {
    name: "store diff",
    summary: "show what differs between two trees",
    load: () => import("./commands/store/diff.ts"),
  },
  {
    name: "store why-depends",
    summary: "show why one path needs another",
    load: () => import("./commands/store/why-depends.ts"),
  },
  { name: "store du", summary: "show what paths take", load: () => import("./commands/store/du.ts") },
  { name: "store gc", summary: "delete what is not needed", load: () => import("./commands/store/gc.ts") },
  {
    name: "store roots",
    summary: "list, add or remove what holds store paths",
    load: () => import("./commands/store/roots.ts"),
  },
  { name: "store verify", summary: "look for damage, and mend it", load: () => import("./commands/store/verify.ts") },
  { name: "profile list", summary: "list profiles", load: () => import("./commands/profile/list.ts") },
  {
    name: "profile history",
    summary: "list the generations of a profile",
    load: () => import("./commands/profile/history.ts"),
  },
  {
    name: "profile rollback",
    summary: "go back to the generation before",
    load: () => import("./commands/profile/rollback.ts"),
  },
  {
    name: "profile switch",
    summary: "make any generation the current one",
    load: () => import("./commands/profile/switch.ts"),
  },
  {
    name: "profile wipe-history",
    summary: "remove old generations",
    load: () => import("./commands/profile/wipe-history.ts"),
  },
  {
    name: "sandbox check",
    summary: "show which sandboxes work here",
    load: () => import("./commands/sandbox/check.ts"),
  },
  { name: "key generate", summary: "make a key for signing", load: () => import("./commands/key/generate.ts") },
  { name: "key public", summary: "print a key's public half", load: () => import("./commands/key/public.ts") },
  { name: "daemon", summary: "serve Nix clients on a socket", load: () => import("./commands/daemon.ts") },
  {
    name: "serve",
    summary: "serve the store to others: gRPC, a binary cache of Nix",
    load: () => import("./commands/serve.ts"),
  },
  {
    name: "completion",
    summary: "print a completion script for a shell",
    load: async () => ({ command: (await import("./commands/completion.ts")).completionCommand(COMMANDS) }),
  },
];

const NOUNS: Readonly<Record<string, string>> = {
  builds: "look at builds, end them, compare them",
  drv: "look at derivations",
  recipe: "build without the Nix language",
  key: "make keys for signing",
  sandbox: "look at what runs builders",
  profile: "results that can be gone back to",
  store: "look into the store, add to it",
};

const EXIT_CODES_HELP = `
Exit codes: 0 done, 1 error, 2 wrong usage, 100 a build failed, 101 a build took too long,
102 a hash is not the promised one, 104 a build that was checked came out differently, 130 interrupted.

Environment: FIRN_HOME (where the store and all state is; now ~/.local/state/firn or below
XDG_STATE_HOME), NIX_PATH, NIX_STORE_DIR, NO_COLOR, FIRN_FILES_MAX (space for files of shown
results, 10G), FIRN_KEEP_BUILDS and FIRN_KEEP_BUILDS_DAYS (how many builds are remembered, and
how long), FIRN_DEBUG=1 (stacks in error messages).
`;

/** A command line that is understood: what to run, with which options. Help and version are answered while parsing. */
export type ParsedCommand = {
  readonly name: string;
  readonly command: AnyCommand;
  readonly options: unknown;
  readonly store?: string;
};

/** Where help is printed while parsing. */
export type HelpSink = { readonly out: (text: string) => void; readonly columns: number };

/** Parses a command line (without node and script). Yields undefined when it was answered with help. Throws `usage`. */
export async function parseCommandLine(argv: readonly string[], sink: HelpSink): Promise<ParsedCommand | undefined> {
  const entry = findEntry(argv);
  const loaded = entry === undefined ? undefined : (await entry.load()).command;
  let parsed: ParsedCommand | undefined;
  const errors: string[] = [];
  const root = new Command("firn");
  // Set before subcommands are made: they inherit it.
  root.exitOverride();
  root.configureOutput({
    writeOut: sink.out,
    writeErr: (text) => errors.push(text),
    getOutHelpWidth: () => sink.columns,
    getErrHelpWidth: () => sink.columns,
  });
  root.description("Firn builds software from Nix expressions.");
  root.version(VERSION, "-V, --version", "print Firn's version");
  root.helpOption("-h, --help", "print help");
  root.option("--diagnostics <format>", "errors, warnings and notes as text, or json: one object a line on stderr");
  root.enablePositionalOptions();
  root.addHelpText("after", EXIT_CODES_HELP);
  for (const known of COMMANDS) {
    const words = known.name.split(" ");
    const verb = words.pop() as string;
    const [noun] = words;
    const isKnown = (command: Command) => command.name() === noun;
    const parent =
      noun === undefined ? root : (root.commands.find(isKnown) ?? root.command(noun).description(NOUNS[noun]));
    const made = parent.command(verb).description(known.summary);
    if (known !== entry || loaded === undefined) {
      made.allowUnknownOption();
      continue;
    }
    loaded.declare(made);
    if (loaded.store !== undefined) made.option("--store <store>", storeHelp(loaded.store));
    if (loaded.passesThrough) made.passThroughOptions();
    made.action(() => {
      const { store, ...flags } = loaded.store === undefined ? { store: undefined, ...made.opts() } : made.opts();
      parsed = {
        name: known.name,
        command: loaded,
        options: loaded.optionsOf(made.args.flatMap(splitJoined), flags),
        store,
      };
    });
  }
  try {
    const words = entry === undefined ? 0 : entry.name.split(" ").length;
    await root.parseAsync([...argv.slice(0, words), ...joinPairs(argv.slice(words), loaded?.pairFlags ?? [], loaded)], {
      from: "user",
    });
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    if (thrown.exitCode === 0) return undefined;
    throw new CliError("usage", usageMessage(errors, thrown, argv, entry));
  }
  return parsed;
}

function storeHelp(kinds: "any" | "local"): string {
  return kinds === "local" ? "work on this store of Firn's: local:DIR" : `work on this store: ${STORE_FORMS}`;
}

/** The table's entry for the first words of a command line. */
function findEntry(argv: readonly string[]): CommandEntry | undefined {
  return COMMANDS.find(({ name }) => name === argv[0] || name === `${argv[0]} ${argv[1]}`);
}

function usageMessage(
  errors: readonly string[],
  thrown: CommanderError,
  argv: readonly string[],
  entry: CommandEntry | undefined,
): string {
  const noun = argv[0] !== undefined && Object.hasOwn(NOUNS, argv[0]) ? ` ${argv[0]}` : "";
  const help = `firn${entry === undefined ? noun : ` ${entry.name}`} --help`;
  const said = errors
    .join("")
    .trim()
    .replace(/^error: /, "");
  // Without a command, what commander says is the whole help.
  if (thrown.code === "commander.help") return `a command is missing\n\n${said}`;
  return `${said}\nTry \`${help}\`.`;
}

/** Runs a command line and yields its exit code. Throws what the command throws. */
export async function runCommandLine(argv: readonly string[], session: Session): Promise<number> {
  const helps: string[] = [];
  const sink = { out: (text: string) => void helps.push(text), columns: Math.min(session.output.stdout.columns, 100) };
  const parsed = await parseCommandLine(argv, sink);
  if (parsed === undefined) {
    await session.output.bytes(Buffer.from(helps.join(""), "utf8"));
    return EXIT.ok;
  }
  if (parsed.store !== undefined) session.useStore(parsed.store);
  return (await parsed.command.run(parsed.options, session)) ?? EXIT.ok;
}
