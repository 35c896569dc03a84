/*
What one parse has to say: diagnostics, which make the source no expression, and warnings. Here are the words of everything that is not
about the grammar itself.
*/

import { byteStringOfText, type ByteString } from "@firn/base";
import type { Diagnostic, DiagnosticCode } from "./diagnostic.ts";
import type { Lints, ParseOptions } from "./options.ts";
import { lineColumnOf } from "./position.ts";

/** What is wrong with a text that no Nix string can be. */
export function nullByteMessage(text: ByteString): string {
  const shown = text.replaceAll("\0", byteStringOfText("␀"));
  return `input string '${shown}' cannot be represented as Nix string because it contains null bytes`;
}

export class Findings {
  readonly diagnostics: Diagnostic[] = [];
  readonly warnings: Diagnostic[] = [];
  readonly #source: ByteString;
  readonly #options: ParseOptions;

  constructor(source: ByteString, options: ParseOptions) {
    this.#source = source;
    this.#options = options;
  }

  report(code: DiagnosticCode, message: string, from: number, to: number): void {
    this.diagnostics.push({ code, message, from, to });
  }

  /** A use of syntax that a lint looks for; what becomes of it is the setting's. `message` gets whether it is refused. */
  lint(name: keyof Lints, message: (fatal: boolean) => string, from: number, to: number): void {
    const level = this.#options.lints?.[name] ?? "ignore";
    if (level === "ignore") return;
    const setting = `lint-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    const diagnostic = { code: "lint", message: `${message(level === "fatal")} (${setting})`, from, to } as const;
    (level === "fatal" ? this.diagnostics : this.warnings).push(diagnostic);
  }

  duplicate = (what: string, pos: number, firstPos: number): void => {
    this.report("duplicate", `attribute '${what}' already defined at ${this.#where(firstPos)}`, pos, pos);
  };

  duplicateFormal(name: string, pos: number): void {
    this.report("duplicate", `duplicate formal function argument '${name}'`, pos, pos + name.length);
  }

  pipesAreOff(from: number, to: number): void {
    const how = "add '--extra-experimental-features pipe-operators' to enable it";
    this.report("feature", `experimental Nix feature 'pipe-operators' is disabled; ${how}`, from, to);
  }

  /** Text of a literal that holds a null byte. */
  nullByte(text: ByteString, from: number, to: number): void {
    this.report("syntax", nullByteMessage(text), from, to);
  }

  /** `f or` as an operand among others. */
  cursedOr(from: number, to: number): void {
    const message = `at ${this.#where(from)}: This expression uses \`or\` as an identifier in a way that will change in a future Nix release.
Wrap this entire expression in parentheses to preserve its current meaning:
    (${this.#source.slice(from, to)})
Give feedback at https://github.com/NixOS/nix/pull/11121`;
    this.warnings.push({ code: "deprecated", message, from, to });
  }

  #where(pos: number): string {
    const { line, column } = lineColumnOf(this.#source, pos);
    return `${this.#options.label ?? "«source»"}:${line}:${column}`;
  }
}
