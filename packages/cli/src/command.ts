/*
The shape of a command. Each has one file below commands/, with four pieces in this order: an options type, `declare` (arguments, flags,
help, in commander's terms), `optionsOf` (from what commander parsed to options, all checks of usage included) and `run`, which sees no
flag library. A test can stop after any of them.
*/

import type { Command } from "commander";
import { CliError } from "./error.ts";
import type { Session } from "./session.ts";

/** Flag values as commander gives them, by camel-case name. */
export type Flags = Readonly<Record<string, unknown>>;

export type CommandDefinition<Options> = {
  /** Adds arguments, flags and help to a command that has its name and summary already. */
  readonly declare: (command: Command) => void;
  /** Flags that take two operands (`--arg NAME EXPR`), see `joinPairs`. */
  readonly pairFlags?: readonly string[];
  /** Flags that may stand alone, with the value they then mean; one of their own they take only behind `=`. */
  readonly loneFlags?: Readonly<Record<string, string>>;
  /** Which kinds of store it works on, and so takes --store: any, or Firn's own alone. Without it there is no such flag. */
  readonly store?: "any" | "local";
  /** True when what follows the first operand belongs to another program. */
  readonly passesThrough?: boolean;
  readonly optionsOf: (operands: readonly string[], flags: Flags) => Options;
  /** Yields the exit code; nothing means 0. */
  readonly run: (options: Options, session: Session) => Promise<number | undefined>;
};

/** A definition whose options only it knows. */
export type AnyCommand = CommandDefinition<unknown>;

/** A command in the table of all commands. */
export type CommandEntry = {
  /** One word, or a noun and a verb. */
  readonly name: string;
  readonly summary: string;
  /** Loads the command's module. */
  readonly load: () => Promise<{ readonly command: AnyCommand }>;
};

/** Forgets the type of the options, which are the definition's own affair. */
export function defineCommand<Options>(definition: CommandDefinition<Options>): AnyCommand {
  return definition as unknown as AnyCommand;
}

/** Cannot stand in an argument of a process, so it separates what was two. */
const PAIR_SEPARATOR = "\0";

/**
 * Commander's flags take one operand. This turns `--arg NAME EXPR` into `--arg=NAME<NUL>EXPR`, and flags that may stand alone into ones with a value,
 * before it looks, up to a `--`.
 * Throws `usage` when an operand is missing, unless the words may be another program's, which gets its own back by `splitJoined`.
 */
export function joinPairs(
  argv: readonly string[],
  pairFlags: readonly string[],
  options: { readonly loneFlags?: Readonly<Record<string, string>>; readonly passesThrough?: boolean } = {},
): string[] {
  const { loneFlags = {}, passesThrough = false } = options;
  const joined: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    if (argv[i] === "--") return [...joined, ...argv.slice(i)];
    if (Object.hasOwn(loneFlags, argv[i])) {
      joined.push(`${argv[i]}=${loneFlags[argv[i]]}`);
      continue;
    }
    const isWhole = i + 2 < argv.length;
    if (!pairFlags.includes(argv[i]) || (passesThrough && !isWhole)) {
      joined.push(argv[i]);
      continue;
    }
    if (!isWhole) throw new CliError("usage", `option '${argv[i]}' needs two operands, a name and a value`);
    joined.push(`${argv[i]}=${argv[i + 1]}${PAIR_SEPARATOR}${argv[i + 2]}`);
    i += 2;
  }
  return joined;
}

/** The words that `joinPairs` made one of; any other word is itself, since none has a NUL. */
export function splitJoined(word: string): string[] {
  const at = word.indexOf(PAIR_SEPARATOR);
  if (at < 0) return [word];
  const flagEnd = word.indexOf("=");
  return [word.slice(0, flagEnd), word.slice(flagEnd + 1, at), word.slice(at + 1)];
}

/** The two operands of a joined pair. */
export function splitPair(joined: string): { readonly name: string; readonly value: string } {
  const at = joined.indexOf(PAIR_SEPARATOR);
  if (at < 0) throw new CliError("usage", `'${joined}' should be two operands, a name and a value`);
  return { name: joined.slice(0, at), value: joined.slice(at + 1) };
}

/** For commander: a flag that may be given several times. */
export function collect<T>(parse: (text: string) => T): (text: string, previous: T[] | undefined) => T[] {
  return (text, previous) => [...(previous ?? []), parse(text)];
}

/** Examples at the end of a help text: commands with what they do. */
export function examples(...rows: readonly (readonly [command: string, meaning: string])[]): string {
  const width = Math.max(...rows.map(([command]) => command.length));
  return `\nExamples:\n${rows.map(([command, meaning]) => `  ${command.padEnd(width)}  # ${meaning}`).join("\n")}\n`;
}
