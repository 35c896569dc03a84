/*
Reads a NAR that comes in chunks of any size into events, depth first: the caller builds what it likes from them, and nothing here
holds more than one short token. Only canonical NARs pass: padding is zero, names are sorted, nothing follows the end. So reading
and writing again gives the same bytes, and two different NARs are two different trees.

`NarParser` is a state machine fed by hand; `readNar` and `readNarStream` drive it over an iterable. Follows parseDump.
*/

import { type ByteSource, type ByteString, type ByteStream, byteStringOf, concatBytes } from "@firn/base";
import { NixCompatError, type NixCompatErrorCode } from "./error.ts";
import {
  NAR_DEPTH_MAX,
  NAR_MAGIC,
  NAR_NAME_BYTES_MAX,
  NAR_TARGET_BYTES_MAX,
  narNameProblem,
  narPadding,
  narTargetProblem,
} from "./nar.ts";

/**
 * - `directory` .. `directory-end` enclose the entries, each an `entry` with its name and then its node.
 * - `file` is followed by `contents` whose lengths add up to `size` (none for an empty file). `bytes` is a view of the chunk that
 *   came in (or of memory made for it): good until the next event is asked for.
 */
export type NarEvent =
  | { readonly kind: "directory" }
  | { readonly kind: "directory-end" }
  | { readonly kind: "entry"; readonly name: ByteString }
  | { readonly kind: "file"; readonly size: number; readonly executable: boolean }
  | { readonly kind: "contents"; readonly bytes: Uint8Array }
  | { readonly kind: "symlink"; readonly target: ByteString };

type State =
  | "magic"
  | "node-open"
  | "type-key"
  | "type"
  | "executable-or-contents"
  | "executable-value"
  | "contents-key"
  | "size"
  | "contents"
  | "padding"
  | "target-key"
  | "target"
  | "node-close"
  | "entry-or-close"
  | "entry-open"
  | "name-key"
  | "name"
  | "node-key"
  | "entry-close"
  | "end";

const TAG_BYTES_MAX = 16;
const EMPTY = new Uint8Array(0);

/** The incremental parser. After an error it must not be used again. */
export class NarParser {
  /** Bytes that came but do not make a whole token yet; shorter than the longest token. */
  #rest: Uint8Array = EMPTY;
  #bytes: Uint8Array = EMPTY;
  #at = 0;
  /** Where the last token started, in `#bytes`: that is what errors about its meaning point at. */
  #tokenAt = 0;
  /** Offset in the archive of the first of `#bytes`. */
  #base = 0;
  #state: State = "magic";
  #executable = false;
  #fileSize = 0;
  #remaining = 0;
  readonly #lastNames: ByteString[] = [];
  readonly #isFollowed: boolean;

  /** `followed`: the archive stands inside a longer stream, as in Nix's export format; parsing stops at its end. */
  constructor(options: { readonly followed?: boolean } = {}) {
    this.#isFollowed = options.followed ?? false;
  }

  /** Once `done`: what came in after the archive's end, in memory of its own. */
  get rest(): Uint8Array {
    return this.#rest;
  }

  /** True once the archive is complete. */
  get done(): boolean {
    return this.#state === "end";
  }

  /** Bytes read so far that belong to the archive. */
  get offset(): number {
    return this.#base + this.#at;
  }

  /**
   * Takes the next chunk and yields the events it completes; must be iterated to the end before the next chunk is given. Bytes after
   * the archive's end are refused, or found in `rest` when something may follow.
   */
  *feed(chunk: Uint8Array): Generator<NarEvent, void, void> {
    this.#base += this.#at;
    this.#bytes = this.#rest.length === 0 ? chunk : concatBytes([this.#rest, chunk]);
    this.#at = 0;
    this.#rest = EMPTY;
    for (;;) {
      if (this.#state === "contents") {
        const length = Math.min(this.#remaining, this.#bytes.length - this.#at);
        if (length === 0) break;
        const from = this.#at;
        this.#at += length;
        this.#remaining -= length;
        if (this.#remaining === 0) this.#state = "padding";
        yield { kind: "contents", bytes: this.#bytes.subarray(from, from + length) };
      } else if (this.#state === "end") {
        if (this.#at < this.#bytes.length && !this.#isFollowed) this.#fail("something follows the end of the archive");
        break;
      } else {
        const before = this.#at;
        const state = this.#state;
        const event = this.#step();
        if (event !== undefined) yield event;
        else if (this.#at === before && this.#state === state) break; // not all of the token is there
      }
    }
    if (this.#at < this.#bytes.length) this.#rest = new Uint8Array(this.#bytes.subarray(this.#at));
  }

  /** Says that no more bytes come; throws when the archive is not complete. */
  end(): void {
    if (this.#state !== "end") {
      this.#at += this.#rest.length;
      this.#fail("the archive ends in the middle");
    }
  }

  /** Reads one token. When it is not complete, neither position nor state changes. */
  #step(): NarEvent | undefined {
    switch (this.#state) {
      case "magic":
        return this.#tag(NAR_MAGIC, "node-open");
      case "node-open":
        return this.#tag("(", "type-key");
      case "type-key":
        return this.#tag("type", "type");
      case "type":
        return this.#type();
      case "executable-or-contents": {
        const tag = this.#token(TAG_BYTES_MAX, "tag");
        if (tag === "executable") this.#state = "executable-value";
        else if (tag === "contents") this.#state = "size";
        else if (tag !== undefined) this.#failTag("'executable' or 'contents'", tag);
        return undefined;
      }
      case "executable-value":
        this.#executable = true;
        return this.#tag("", "contents-key");
      case "contents-key":
        return this.#tag("contents", "size");
      case "size": {
        const size = this.#number();
        if (size === undefined) return undefined;
        this.#fileSize = size;
        this.#remaining = size;
        this.#state = size === 0 ? "padding" : "contents";
        const executable = this.#executable;
        this.#executable = false;
        return { kind: "file", size, executable };
      }
      case "padding": {
        const length = narPadding(this.#fileSize);
        if (this.#bytes.length - this.#at < length) return undefined;
        this.#zeros(length);
        this.#state = "node-close";
        return undefined;
      }
      case "target-key":
        return this.#tag("target", "target");
      case "target": {
        const target = this.#token(NAR_TARGET_BYTES_MAX, "symlink target");
        if (target === undefined) return undefined;
        const problem = narTargetProblem(target);
        if (problem !== undefined) this.#failToken(`the symlink target ${problem}`);
        this.#state = "node-close";
        return { kind: "symlink", target };
      }
      case "node-close":
        this.#tag(")", this.#lastNames.length === 0 ? "end" : "entry-close");
        return undefined;
      case "entry-close":
        return this.#tag(")", "entry-or-close");
      case "entry-or-close":
        return this.#entryOrClose();
      case "entry-open":
        return this.#tag("(", "name-key");
      case "name-key":
        return this.#tag("name", "name");
      case "name":
        return this.#name();
      case "node-key":
        return this.#tag("node", "node-open");
      default:
        return undefined; // contents and end are feed's
    }
  }

  #type(): NarEvent | undefined {
    const type = this.#token(TAG_BYTES_MAX, "tag");
    if (type === undefined) return undefined;
    if (type === "regular") this.#state = "executable-or-contents";
    else if (type === "symlink") this.#state = "target-key";
    else if (type === "directory") {
      if (this.#lastNames.length === NAR_DEPTH_MAX)
        this.#failToken(`directories are nested more than ${NAR_DEPTH_MAX} deep`, "limit");
      this.#lastNames.push("");
      this.#state = "entry-or-close";
      return { kind: "directory" };
    } else this.#failTag("'regular', 'symlink' or 'directory'", type);
    return undefined;
  }

  #entryOrClose(): NarEvent | undefined {
    const tag = this.#token(TAG_BYTES_MAX, "tag");
    if (tag === "entry") this.#state = "entry-open";
    else if (tag === ")") {
      this.#lastNames.pop();
      this.#state = this.#lastNames.length === 0 ? "end" : "entry-close";
      return { kind: "directory-end" };
    } else if (tag !== undefined) this.#failTag("'entry' or ')'", tag);
    return undefined;
  }

  #name(): NarEvent | undefined {
    const name = this.#token(NAR_NAME_BYTES_MAX, "name");
    if (name === undefined) return undefined;
    const problem = narNameProblem(name);
    if (problem !== undefined) this.#failToken(`the name '${name}' ${problem}`);
    const depth = this.#lastNames.length - 1;
    if (name <= this.#lastNames[depth]) {
      this.#failToken(`the name '${name}' is repeated or out of order after '${this.#lastNames[depth]}'`);
    }
    this.#lastNames[depth] = name;
    this.#state = "node-key";
    return { kind: "entry", name };
  }

  #tag(expected: string, next: State): undefined {
    const tag = this.#token(TAG_BYTES_MAX, "tag");
    if (tag === undefined) return;
    if (tag !== expected) this.#failTag(`'${expected}'`, tag);
    this.#state = next;
  }

  /** A whole padded string, or undefined while some of it is missing. A length above the limit is refused at once. */
  #token(bytesMax: number, what: string): ByteString | undefined {
    const start = this.#at;
    this.#tokenAt = start;
    const length = this.#number();
    if (length === undefined) return undefined;
    if (length > bytesMax) this.#failToken(`a ${what} is ${length} bytes long, the limit is ${bytesMax}`, "limit");
    const padding = narPadding(length);
    if (this.#bytes.length - this.#at < length + padding) {
      this.#at = start;
      return undefined;
    }
    const text = byteStringOf(this.#bytes, this.#at, this.#at + length);
    this.#at += length;
    this.#zeros(padding);
    return text;
  }

  #number(): number | undefined {
    if (this.#bytes.length - this.#at < 8) return undefined;
    let value = 0;
    for (let i = 7; i >= 0; i--) value = value * 256 + this.#bytes[this.#at + i];
    if (!Number.isSafeInteger(value)) this.#fail("a length is above 2^53", "limit");
    this.#at += 8;
    return value;
  }

  #zeros(count: number): void {
    for (let i = 0; i < count; i++, this.#at++) if (this.#bytes[this.#at] !== 0) this.#fail("padding is not zero");
  }

  #failTag(expected: string, found: string): never {
    this.#failToken(`expected ${expected}, found '${found}'`);
  }

  #failToken(what: string, code?: NixCompatErrorCode): never {
    this.#at = this.#tokenAt;
    this.#fail(what, code);
  }

  #fail(what: string, code: NixCompatErrorCode = "invalid-nar"): never {
    throw new NixCompatError(code, `NAR at byte ${this.offset}: ${what}`, { context: { offset: this.offset } });
  }
}

/** The events of a whole NAR. Stops early when the consumer does; otherwise the source must end with the archive. */
export function* readNar(source: Iterable<Uint8Array>): Generator<NarEvent, void, void> {
  const parser = new NarParser();
  for (const chunk of source) yield* parser.feed(chunk);
  parser.end();
}

/** The same over an asynchronous source; an aborted source rejects, and so does this. */
export async function* readNarStream(source: AsyncIterable<Uint8Array>): AsyncGenerator<NarEvent, void, void> {
  const parser = new NarParser();
  for await (const chunk of source) yield* parser.feed(chunk);
  parser.end();
}

/** The bytes of the one NAR that begins here, as they come; the source then stands at the byte after its end. Throws as the parser does. */
export async function* takeNar(source: ByteSource): ByteStream {
  const parser = new NarParser({ followed: true });
  while (!parser.done) {
    const chunk = await source.next();
    if (chunk === undefined) {
      parser.end();
      return;
    }
    for (const _ of parser.feed(chunk));
    const { length } = parser.done ? parser.rest : EMPTY;
    if (length > 0) source.unread(chunk.subarray(chunk.length - length));
    yield chunk.subarray(0, chunk.length - length);
  }
}
