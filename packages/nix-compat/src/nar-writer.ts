/*
Writes a NAR from calls in depth-first order into a sink. It knows nothing of where the tree is: one who walks a disk calls it between
reads, one who renders castore nodes between awaits and passes on what the sink was given, one who only wants the hash gives the
hasher's update as sink. Small tokens are gathered, contents go through as they come.

    writer.startDirectory().entry("a").startFile(3, false).contents(bytes).entry("b").symlink("a").endDirectory().finish()

A file ends by itself when all announced bytes came. Names and sizes come from outside and are checked; calls in an impossible
order are bugs of the caller and are asserted.
*/

import { assert, type ByteString } from "@firn/base";
import { NixCompatError } from "./error.ts";
import { NAR_DEPTH_MAX, NAR_MAGIC, narNameProblem, narPadding, narTargetProblem } from "./nar.ts";

const GATHER_BYTES = 16 * 1024;
/** Contents at least this long are handed to the sink without a copy. */
const PASS_THROUGH_BYTES = 4 * 1024;

type Expecting = "node" | "contents" | "entry" | "finish" | "nothing";

export class NarWriter {
  readonly #sink: (chunk: Uint8Array) => void;
  /** The last name written in each open directory; the empty string before the first. */
  readonly #lastNames: ByteString[] = [];
  readonly #gathered = new Uint8Array(GATHER_BYTES);
  #gatheredLength = 0;
  #handedOver = 0;
  #expecting: Expecting = "node";
  #fileSize = 0;
  #fileRemaining = 0;

  /**
   * The sink gets chunks in order. A chunk is either memory the writer never touches again, or a buffer that was given to `contents`:
   * a sink that keeps chunks beyond the call must copy unless its caller leaves those buffers alone.
   */
  constructor(sink: (chunk: Uint8Array) => void) {
    this.#sink = sink;
    this.#token(NAR_MAGIC);
  }

  /** Bytes of the NAR so far. */
  get size(): number {
    return this.#handedOver + this.#gatheredLength;
  }

  startDirectory(): this {
    this.#startNode("directory");
    if (this.#lastNames.length === NAR_DEPTH_MAX) {
      throw new NixCompatError("limit", `directories are nested more than ${NAR_DEPTH_MAX} deep`);
    }
    this.#lastNames.push("");
    this.#expecting = "entry";
    return this;
  }

  /** Names the node that comes next. Names in one directory must come in bytewise order. */
  entry(name: ByteString): this {
    this.#expect("entry");
    const problem = narNameProblem(name);
    if (problem !== undefined) throw new NixCompatError("invalid-nar", `the name '${name.slice(0, 300)}' ${problem}`);
    const depth = this.#lastNames.length - 1;
    if (name <= this.#lastNames[depth]) {
      throw new NixCompatError(
        "invalid-nar",
        `the name '${name}' is repeated or out of order after '${this.#lastNames[depth]}'`,
      );
    }
    this.#lastNames[depth] = name;
    this.#token("entry");
    this.#token("(");
    this.#token("name");
    this.#token(name);
    this.#token("node");
    this.#expecting = "node";
    return this;
  }

  endDirectory(): this {
    this.#expect("entry");
    this.#lastNames.pop();
    this.#endNode();
    return this;
  }

  symlink(target: ByteString): this {
    const problem = narTargetProblem(target);
    if (problem !== undefined)
      throw new NixCompatError("invalid-nar", `the symlink target '${target.slice(0, 300)}' ${problem}`);
    this.#startNode("symlink");
    this.#token("target");
    this.#token(target);
    this.#endNode();
    return this;
  }

  /** Announces a file of `size` bytes, which `contents` must then bring. */
  startFile(size: number, executable: boolean): this {
    assert(Number.isSafeInteger(size) && size >= 0, "the size of a file is a natural number");
    this.#startNode("regular");
    if (executable) {
      this.#token("executable");
      this.#token("");
    }
    this.#token("contents");
    this.#length(size);
    this.#expecting = "contents";
    this.#fileSize = size;
    this.#fileRemaining = size;
    if (size === 0) this.#endFile();
    return this;
  }

  /** The next bytes of the file. More than were announced are refused: the file grew while it was read. */
  contents(bytes: Uint8Array): this {
    if (bytes.length === 0) return this;
    if (this.#expecting !== "contents" || bytes.length > this.#fileRemaining) {
      throw new NixCompatError("invalid-nar", `a file announced with ${this.#fileSize} bytes has more`);
    }
    if (bytes.length >= PASS_THROUGH_BYTES) {
      this.#flush();
      this.#handedOver += bytes.length;
      this.#sink(bytes);
    } else {
      this.#room(bytes.length);
      this.#gathered.set(bytes, this.#gatheredLength);
      this.#gatheredLength += bytes.length;
    }
    this.#fileRemaining -= bytes.length;
    if (this.#fileRemaining === 0) this.#endFile();
    return this;
  }

  /** Hands everything gathered to the sink now, for those who must not keep a reader waiting. */
  flush(): this {
    this.#flush();
    return this;
  }

  /** Ends the archive and yields its size in bytes. */
  finish(): number {
    this.#expect("finish");
    this.#expecting = "nothing";
    this.#flush();
    return this.#handedOver;
  }

  #expect(call: Expecting): void {
    if (this.#expecting === "contents") {
      const came = this.#fileSize - this.#fileRemaining;
      throw new NixCompatError("invalid-nar", `a file announced with ${this.#fileSize} bytes has only ${came}`);
    }
    assert(this.#expecting === call, `a NAR writer that expects ${this.#expecting} was given ${call}`);
  }

  #startNode(type: string): void {
    this.#expect("node");
    this.#token("(");
    this.#token("type");
    this.#token(type);
  }

  #endNode(): void {
    this.#token(")");
    if (this.#lastNames.length === 0) this.#expecting = "finish";
    else {
      this.#token(")"); // the entry's
      this.#expecting = "entry";
    }
  }

  #endFile(): void {
    this.#zeros(narPadding(this.#fileSize));
    this.#endNode();
  }

  #token(text: ByteString): void {
    this.#length(text.length);
    this.#room(text.length);
    for (let i = 0; i < text.length; i++) this.#gathered[this.#gatheredLength++] = text.charCodeAt(i);
    this.#zeros(narPadding(text.length));
  }

  #length(length: number): void {
    this.#room(8);
    for (let i = 0, rest = length; i < 8; i++) {
      this.#gathered[this.#gatheredLength++] = rest % 256;
      rest = Math.floor(rest / 256);
    }
  }

  #zeros(count: number): void {
    this.#room(count);
    this.#gathered.fill(0, this.#gatheredLength, this.#gatheredLength + count);
    this.#gatheredLength += count;
  }

  #room(length: number): void {
    if (this.#gatheredLength + length > GATHER_BYTES) this.#flush();
  }

  /** What was gathered goes as a copy, so that the sink may keep it and short flushes do not cost a whole new buffer. */
  #flush(): void {
    if (this.#gatheredLength === 0) return;
    const chunk = this.#gathered.slice(0, this.#gatheredLength);
    this.#handedOver += chunk.length;
    this.#gatheredLength = 0;
    this.#sink(chunk);
  }
}
