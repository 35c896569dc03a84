/*
nix-store as C++ Nix 2.35 has it, over Firn's store: same operations, flags, exit codes and bytes. What an operation prints goes to stdout,
everything said to people to stderr.
*/

import { NIX_VERSION } from "@firn/eval";
import type { Attempt } from "@firn/build";
import { printLog } from "../attempt-log.ts";
import { findBuildOf } from "../commands/log.ts";
import { CliError, EXIT } from "../error.ts";
import type { Session } from "../session.ts";
import { readNixSettings } from "./nix-settings.ts";
import { checkFlags, parseStoreArguments, type StoreArguments } from "./nix-store-arguments.ts";
import { storePathOf } from "./store-operand.ts";
import { deletePaths, gc, verify } from "./nix-store-gc.ts";
import { query } from "./nix-store-query.ts";
import { printEnvironment, realiseOperation } from "./nix-store-realise.ts";
import { checkValidity, dumpDatabase, loadDatabase, registerValidity, verifyPath } from "./nix-store-registry.ts";
import {
  add,
  addFixed,
  dump,
  exportOperation,
  generateKey,
  importOperation,
  printFixedPath,
  restore,
} from "./nix-store-transfer.ts";

const HELP = `Usage: nix-store OPERATION [OPTION...] [ARGUMENT...]

Operations:
  --realise, -r PATH...             build derivations, or see that paths are there [--dry-run --ignore-unknown]
  --query, -q PATH...               --outputs --requisites (-R) --references --referrers --referrers-closure
                                    --deriver --valid-derivers --graph --graphml --tree --binding NAME --hash
                                    --size --roots --resolve [--use-output --force-realise --include-outputs]
  --add PATH...                     copy files into the store
  --add-fixed [--recursive] ALGORITHM PATH...
  --print-fixed-path [--recursive] ALGORITHM HASH NAME
  --dump PATH, --restore PATH       a NAR to standard output, or from standard input
  --export PATH..., --import        several paths in one stream
  --dump-db [PATH...], --load-db    what the store knows of paths
  --register-validity, --check-validity [--print-invalid] PATH...
  --gc                              delete what is not needed [--print-roots --print-live --print-dead --max-freed N]
  --delete [--ignore-liveness] PATH...
                                    delete these, unless they are needed; or unless something refers to them
  --verify [--check-contents --repair], --verify-path PATH...
  --read-log, -l PATH...            what the builders of these said
  --serve [--write]                 one client of ssh:// on standard input and output
  --print-env DERIVATION
  --optimise, --init                nothing to do in a store of Firn's
  --generate-binary-cache-key NAME SECRET-FILE PUBLIC-FILE
Options of all: --add-root LINK, --stdin, --no-output, --option NAME VALUE
`;

/** What an operation does. Yields the exit code, where there is more than one. */
type StoreOperation = (given: StoreArguments, session: Session) => Promise<number> | Promise<void>;

const OPERATIONS: Readonly<Record<string, StoreOperation>> = {
  "--realise": realiseOperation,
  "--print-env": printEnvironment,
  "--query": query,
  "--add": add,
  "--add-fixed": addFixed,
  "--print-fixed-path": printFixedPath,
  "--dump": dump,
  "--restore": restore,
  "--export": exportOperation,
  "--import": importOperation,
  "--generate-binary-cache-key": generateKey,
  "--dump-db": dumpDatabase,
  "--load-db": loadDatabase,
  "--register-validity": registerValidity,
  "--check-validity": checkValidity,
  "--verify-path": verifyPath,
  "--read-log": readLog,
  "--gc": gc,
  "--delete": deletePaths,
  "--verify": verify,
  "--serve": async (given, session) => (await import("./nix-store-serve.ts")).serve(given, session),
  "--init": nothingToDo,
  "--optimise": optimise,
};

/** Why an operation of Nix's is none of Firn's. */
const REFUSED: Readonly<Record<string, string>> = {
  "--repair-path": "`firn store verify --repair-from STORE` mends from a store that is named",
};

/** Runs a command line (without the program's name) and yields the exit code. Throws UsageError and what the store throws. */
export async function runNixStore(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  session: Session,
): Promise<number> {
  const { output } = session;
  const settings = readNixSettings(env);
  const readWords = async () => (await session.readStdin().then(String)).split(/\s+/).filter((word) => word !== "");
  const given = await parseStoreArguments(argv, settings, readWords);
  if (given === "help" || given === "version") {
    await output.byteString(given === "help" ? HELP : `nix-store (Nix) ${NIX_VERSION}\n`);
    return EXIT.ok;
  }
  const operation = OPERATIONS[given.operation];
  if (operation === undefined)
    throw new CliError(
      "unsupported",
      `'nix-store ${given.operation}' is not supported by Firn: ${REFUSED[given.operation]}`,
    );
  const exitCode = await operation(given, session);
  return typeof exitCode === "number" ? exitCode : EXIT.ok;
}

/** A store's tables are made when it is opened. */
async function nothingToDo({ flags }: StoreArguments, session: Session): Promise<void> {
  checkFlags(flags);
  await session.openStore();
}

async function optimise(given: StoreArguments, session: Session): Promise<void> {
  await nothingToDo(given, session);
  await session.output.note("what is equal is stored once in a store of Firn's: there is nothing to do");
}

async function readLog({ flags, operands }: StoreArguments, session: Session): Promise<void> {
  checkFlags(flags);
  for (const operand of operands) {
    const path = storePathOf(operand, session).absolute(session.config.storeDir);
    await printLog(await loggedBuildOf(path, session), { follow: false, json: false }, session);
  }
}

async function loggedBuildOf(path: string, session: Session): Promise<Attempt> {
  try {
    return await findBuildOf(path, session);
  } catch (thrown) {
    if (!(thrown instanceof CliError) || thrown.code !== "not-found") throw thrown;
    throw new CliError("not-found", `build log of derivation '${path}' is not available`, { cause: thrown });
  }
}
