/*
`firn completion`: scripts that let a shell complete commands, flags and paths. They are made from the command table and hold words only;
nothing is asked of Firn while completing.
*/

import { Command } from "commander";
import { type AnyCommand, type CommandEntry, defineCommand, examples } from "../command.ts";
import { CliError } from "../error.ts";
import type { Session } from "../session.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;

export type CompletionOptions = { readonly shell: (typeof SHELLS)[number] };

/** The command for a table, which is handed in since it holds this command too. */
export function completionCommand(commands: readonly CommandEntry[]): AnyCommand {
  return defineCommand<CompletionOptions>({
    declare: (command) =>
      command
        .argument("<shell>", SHELLS.join(", "))
        .addHelpText(
          "after",
          examples(
            ["source <(firn completion bash)", "in ~/.bashrc"],
            ["source <(firn completion zsh)", "in ~/.zshrc, after compinit"],
            ["firn completion fish | source", "in ~/.config/fish/config.fish"],
          ),
        ),
    optionsOf: ([name]) => {
      const shell = SHELLS.find((known) => known === name);
      if (shell === undefined) throw new CliError("usage", `'${name}' is no shell known here: ${SHELLS.join(", ")}`);
      return { shell };
    },
    run: async ({ shell }: CompletionOptions, { output }: Session) => {
      const entries = await completionEntries(commands);
      await output.line(
        shell === "bash" ? bashScript(entries) : shell === "zsh" ? zshScript(entries) : fishScript(entries),
      );
      return undefined;
    },
  });
}

type Entry = { readonly name: string; readonly summary: string; readonly flags: readonly string[] };

async function completionEntries(commands: readonly CommandEntry[]): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const { name, summary, load } of commands) {
    const declared = new Command(name);
    const { command } = await load();
    command.declare(declared);
    if (command.store !== undefined) declared.option("--store <store>");
    const flags = declared.options.flatMap(({ short, long }) => [short, long]).filter((flag) => flag !== undefined);
    entries.push({ name, summary, flags: [...flags, "-h", "--help"] });
  }
  return entries;
}

/** The words that may come first, and those that may come after a noun. */
function wordsOf(entries: readonly Entry[]): Map<string, string[]> {
  const words = new Map<string, string[]>([["", []]]);
  for (const { name } of entries) {
    const [first, second] = name.split(" ");
    if (!words.get("")?.includes(first)) words.get("")?.push(first);
    if (second !== undefined) words.set(first, [...(words.get(first) ?? []), second]);
  }
  return words;
}

function bashScript(entries: readonly Entry[]): string {
  const words = wordsOf(entries);
  const nouns = [...words.keys()].filter((noun) => noun !== "");
  return `_firn() {
  local current=\${COMP_WORDS[COMP_CWORD]} command=\${COMP_WORDS[1]} words=
  COMPREPLY=()
  case $command in ${nouns.join("|")}) command="$command \${COMP_WORDS[2]}" ;; esac
  if [ "$COMP_CWORD" = 1 ]; then
    words="${words.get("")?.join(" ")} --help --version"
  elif [ "$COMP_CWORD" = 2 ]; then
    case \${COMP_WORDS[1]} in
${nouns.map((noun) => `      ${noun}) words="${words.get(noun)?.join(" ")} --help" ;;`).join("\n")}
    esac
  fi
  if [ -z "$words" ] && [ "\${current#-}" != "$current" ]; then
    case $command in
${entries.map(({ name, flags }) => `      "${name}") words="${flags.join(" ")}" ;;`).join("\n")}
    esac
  fi
  if [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    compopt -o filenames 2> /dev/null
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -F _firn firn`;
}

/** zsh runs bash's completions as they are. */
function zshScript(entries: readonly Entry[]): string {
  return `autoload -U +X bashcompinit && bashcompinit\n${bashScript(entries)}`;
}

function fishScript(entries: readonly Entry[]): string {
  const lines: string[] = [];
  const quote = (text: string) => `'${text.replaceAll("'", "\\'")}'`;
  for (const { name, summary, flags } of entries) {
    const [first, second] = name.split(" ");
    const seen =
      second === undefined
        ? `__fish_seen_subcommand_from ${first}`
        : `__fish_seen_subcommand_from ${first}; and __fish_seen_subcommand_from ${second}`;
    if (second === undefined) lines.push(`complete -c firn -n __fish_use_subcommand -a ${first} -d ${quote(summary)}`);
    else {
      lines.push(`complete -c firn -n __fish_use_subcommand -a ${first}`);
      lines.push(`complete -c firn -n '__fish_seen_subcommand_from ${first}' -a ${second} -d ${quote(summary)}`);
    }
    for (const flag of flags) {
      const kind = flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`;
      lines.push(`complete -c firn -n '${seen}' ${kind}`);
    }
  }
  return lines.join("\n");
}
