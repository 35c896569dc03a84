/*
nix-hash as C++ Nix 2.35 has it: digests of NARs and of files, and one spelling of a digest turned into another.
*/

import { resolve } from "node:path";
import { byteStringOfText } from "@firn/base";
import { NIX_VERSION } from "@firn/eval";
import {
  createHasher,
  type HashAlgorithm,
  type HashFormat,
  HASH_ALGORITHMS,
  HashError,
  isHashAlgorithm,
  parseHash,
  printHash,
} from "@firn/hash";
import { useNodeKernels } from "@firn/hash/node";
import { compressHash } from "@firn/nix-compat";
import { CliError } from "../error.ts";
import type { Session } from "../session.ts";
import { takeCommonFlag } from "./common-flags.ts";
import { contentsOfHost, narOfHost } from "./host-nar.ts";
import { readNixSettings } from "./nix-settings.ts";
import { UsageError } from "./usage-error.ts";
import { Words } from "./words.ts";

const HELP = `Usage: nix-hash [--flat] [--base16 | --base32 | --base64 | --sri] [--truncate] [--type ALGORITHM] PATH...
       nix-hash {--to-base16 | --to-base32 | --to-base64 | --to-sri} [--type ALGORITHM] HASH...
`;
const TRUNCATED_BYTES = 20;
const FORMATS: Readonly<Record<string, HashFormat>> = {
  base16: "base16",
  base32: "nix32",
  base64: "base64",
  sri: "sri",
};

type HashArguments = {
  readonly operands: readonly string[];
  readonly format: HashFormat;
  readonly algorithm: HashAlgorithm | undefined;
  readonly flat: boolean;
  readonly truncate: boolean;
  readonly converts: boolean;
  readonly answer: "help" | "version" | undefined;
};

/** Runs a command line (without the program's name). */
export async function runNixHash(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  session: Session,
): Promise<void> {
  const { output } = session;
  const given = parseArguments(argv, env);
  if (given.answer === "help") return output.bytes(Buffer.from(HELP));
  if (given.answer === "version") return output.line(`nix-hash (Nix) ${NIX_VERSION}`);
  useNodeKernels();
  for (const operand of given.operands) {
    if (given.converts) await output.line(convert(operand, given));
    else await output.line(await hashOf(operand, given, session));
  }
}

function convert(text: string, { algorithm, format }: HashArguments): string {
  try {
    return printHash(parseHash(text, algorithm), format, false);
  } catch (thrown) {
    if (thrown instanceof HashError) throw new CliError("invalid-target", thrown.message, { cause: thrown });
    throw thrown;
  }
}

async function hashOf(path: string, given: HashArguments, { config, signal }: Session): Promise<string> {
  const algorithm = given.algorithm ?? "md5";
  const hasher = createHasher(algorithm);
  const hostPath = byteStringOfText(resolve(config.workingDirectory, path));
  if (given.flat) for (const chunk of contentsOfHost(hostPath)) hasher.update(chunk);
  else for await (const chunk of narOfHost(hostPath, signal)) hasher.update(chunk);
  const digest = hasher.digest();
  const bytes = given.truncate && digest.length > TRUNCATED_BYTES ? compressHash(digest, TRUNCATED_BYTES) : digest;
  return printHash({ algorithm, bytes }, given.format, false);
}

function parseArguments(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): HashArguments {
  const settings = readNixSettings(env);
  const state = {
    operands: [] as string[],
    format: "base16" as HashFormat,
    algorithm: undefined as HashAlgorithm | undefined,
    flat: false,
    truncate: false,
    converts: false,
    answer: undefined as HashArguments["answer"],
  };
  const words = new Words(argv);
  for (const word of words) {
    const format = FORMATS[word.replace(/^--(to-)?/, "")];
    if (word === "--flat") state.flat = true;
    else if (word === "--truncate") state.truncate = true;
    else if (word === "--type") state.algorithm = algorithmOf(words.operand(word));
    else if (word === "--help" || word === "--version") state.answer ??= word.slice(2) as "help" | "version";
    else if (word.startsWith("--") && format !== undefined) {
      state.format = format;
      if (word.startsWith("--to-")) state.converts = true;
    } else if (!word.startsWith("-")) state.operands.push(word);
    else if (!takeCommonFlag(word, settings, words)) throw new UsageError(`unrecognised flag '${word}'`);
  }
  return state;
}

/** The algorithm of a name. Throws UsageError in Nix's words. */
export function algorithmOf(text: string): HashAlgorithm {
  if (isHashAlgorithm(text)) return text;
  const known = HASH_ALGORITHMS.filter((name) => name !== "blake3").map((name) => `'${name}'`);
  const names = ["'blake3'", ...known];
  throw new UsageError(`unknown hash algorithm '${text}', expect ${names.slice(0, -1).join(", ")}, or ${names.at(-1)}`);
}
