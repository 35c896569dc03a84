/*
Where a command's words go: results to stdout, everything said to people to stderr. Byte strings leave as the bytes they are. Whether
something is a terminal is decided once, by whoever made the sinks.
*/

import { type ByteString, bytesOf } from "@firn/base";
import { type Diagnostic, type DiagnosticFormat, printDiagnostic } from "./diagnostic.ts";

/** One of the two streams. `write` resolves when more may be written, and rejects with EPIPE when nobody reads any more. */
export interface Sink {
  readonly isTerminal: boolean;
  /** Width of the terminal in columns. */
  readonly columns: number;
  write(bytes: Uint8Array): Promise<void>;
}

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "blue" | "cyan";

const SGR: Readonly<Record<Style, number>> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, cyan: 36 };

/** `text` in a style where `sink` is a terminal and styles are not forbidden. */
export function styledText(sink: Sink, noColor: boolean, style: Style, text: string): string {
  return sink.isTerminal && !noColor ? `\x1b[${SGR[style]}m${text}\x1b[0m` : text;
}

export class Output {
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** What is said to people: text, or data. To be set before anything is said. */
  format: DiagnosticFormat = "text";
  readonly #noColor: boolean;
  readonly #noted = new Set<string>();

  constructor(stdout: Sink, stderr: Sink, options: { readonly noColor: boolean }) {
    this.stdout = stdout;
    this.stderr = stderr;
    this.#noColor = options.noColor;
  }

  /** A result, byte for byte. */
  async bytes(bytes: Uint8Array): Promise<void> {
    await this.stdout.write(bytes);
  }

  /** A result that is a byte string. */
  async byteString(text: ByteString): Promise<void> {
    await this.stdout.write(bytesOf(text));
  }

  /** A result that is a line of ordinary text. */
  async line(text: string): Promise<void> {
    await this.stdout.write(Buffer.from(`${text}\n`, "utf8"));
  }

  /** A result for machines, on one line. */
  async json(value: unknown): Promise<void> {
    await this.line(JSON.stringify(value));
  }

  /** Something for people, or for a program that reads it for them. Their stream being gone is no failure of the command. */
  async say(diagnostic: Diagnostic): Promise<void> {
    const { text = diagnostic.message } = diagnostic;
    const line = this.format === "text" ? text : printDiagnostic(diagnostic, this.format);
    await this.stderr.write(Buffer.from(`${line}\n`, "utf8")).catch(() => undefined);
  }

  /** A line for people. */
  async note(text: string): Promise<void> {
    await this.say({ level: "info", code: "note", message: text });
  }

  /** What should be looked at, though the command goes on. */
  async warn(message: string, about: Partial<Diagnostic> = {}): Promise<void> {
    const text = `${this.styled(this.stderr, "yellow", "warning:")} ${message}`;
    await this.say({ level: "warning", code: "warning", message, text, ...about });
  }

  /** A note that is said once, however often it is true. */
  async noteOnce(text: string): Promise<void> {
    if (this.#noted.has(text)) return;
    this.#noted.add(text);
    await this.note(text);
  }

  /** `text` in a style where `sink` shows styles. */
  styled(sink: Sink, style: Style, text: string): string {
    return styledText(sink, this.#noColor, style, text);
  }

  /** Whether lines written may be taken back to show progress. */
  get isLive(): boolean {
    return this.stderr.isTerminal && !this.#noColor && this.format === "text";
  }
}
