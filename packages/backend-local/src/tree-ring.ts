/*
Events of a tree walk between two threads: a ring of shared memory that one writes and the other reads. Contents are read from the disk into the
ring itself and stored out of it, so they are never copied on the way. A side that has to wait for the other sleeps: the writer in its call, the
reader in a promise.

An entry begins at a multiple of 8: its length, what it is, numbers, then contents, name and text. One that does not fit before the end of the
ring begins at its start.
*/

import { assert, type ByteString } from "@firn/base";
import type { Digest } from "@firn/castore";
import { PIECE_BYTES_MAX, TreeEvent, type TreeEventKind } from "./tree-walk.ts";

const RING_BYTES = 16 * 1024 * 1024;
/** Length, kind, flags, lengths of name, text and contents; four numbers of the stats, the time it was seen; digest. */
const FIXED_BYTES = 16 + 5 * 8 + 32;
/** Names and targets, and a host path. */
const TEXT_BYTES_MAX = 2 * 1024 + 8 * 1024;
const ENTRY_BYTES_MAX = FIXED_BYTES + PIECE_BYTES_MAX + TEXT_BYTES_MAX;
const KINDS: readonly TreeEventKind[] = [
  "later",
  "directory",
  "end",
  "symlink",
  "file",
  "large",
  "piece",
  "large-end",
  "done",
];
const EXECUTABLE = 1;
/** A side that sleeps is woken when there is so much for it, or when the other has to wait itself: to wake it costs more than an entry. */
const WAKE_BYTES = 256 * 1024;

/** Words of the control memory: where the writer is, and where the reader, or that he has gone. */
const WRITTEN = 0;
const READ = 1;
const GONE = -1;

export type RingMemory = { readonly control: SharedArrayBuffer; readonly bytes: SharedArrayBuffer };

export function makeRing(): RingMemory {
  return { control: new SharedArrayBuffer(8), bytes: new SharedArrayBuffer(RING_BYTES) };
}

/** What the writer throws when the reader has gone. */
export class RingClosed extends Error {}

export class RingWriter {
  readonly #control: Int32Array;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  /** What the reader may not have noticed. */
  #quietBytes = 0;

  constructor({ control, bytes }: RingMemory) {
    this.#control = new Int32Array(control);
    this.#bytes = Buffer.from(bytes as unknown as ArrayBuffer);
    this.#view = new DataView(bytes);
  }

  /** Where contents of the next event may be put, PIECE_BYTES_MAX of them. Waits until there is room; throws RingClosed. */
  memory(): Uint8Array {
    const at = this.#room() + FIXED_BYTES;
    return this.#bytes.subarray(at, at + PIECE_BYTES_MAX);
  }

  /** Sends an event. Its contents must be what `memory` gave last, from its beginning. */
  send(event: TreeEvent): void {
    const at = this.#room();
    const view = this.#view;
    const text =
      event.kind === "symlink" ? event.target : event.kind === "directory" || event.kind === "end" ? event.path : "";
    const contents = event.kind === "file" || event.kind === "piece" ? event.bytes : undefined;
    const length = contents?.length ?? 0;
    if (contents !== undefined && length > 0)
      assert(contents.byteOffset === at + FIXED_BYTES, "contents lie where the ring wants them");
    assert(event.name.length + text.length <= TEXT_BYTES_MAX, "names fit into the ring");
    view.setUint8(at + 4, KINDS.indexOf(event.kind));
    view.setUint8(at + 5, event.isExecutable ? EXECUTABLE : 0);
    view.setUint16(at + 6, event.name.length, true);
    view.setUint32(at + 8, text.length, true);
    view.setUint32(at + 12, length, true);
    view.setFloat64(at + 16, event.stats.size, true);
    view.setFloat64(at + 24, event.stats.mtimeMs, true);
    view.setFloat64(at + 32, event.stats.ctimeMs, true);
    view.setFloat64(at + 40, event.stats.ino, true);
    view.setFloat64(at + 48, event.seenAtMs, true);
    if (event.kind === "file") this.#bytes.write(event.digest, at + 56, "hex");
    let end = at + FIXED_BYTES + length;
    end += this.#bytes.write(event.name, end, "latin1");
    end += this.#bytes.write(text, end, "latin1");
    const next = (end + 7) & ~7;
    view.setUint32(at, next - at, true);
    Atomics.store(this.#control, WRITTEN, next);
    this.#quietBytes += next - at;
    if (this.#quietBytes >= WAKE_BYTES) this.#wake();
  }

  /** The beginning of ENTRY_BYTES_MAX free bytes; a mark sends the reader there when that is not where the last entry ended. */
  #room(): number {
    for (;;) {
      const written = this.#control[WRITTEN];
      const read = Atomics.load(this.#control, READ);
      if (read === GONE) throw new RingClosed();
      if (written < read ? read - written > ENTRY_BYTES_MAX : RING_BYTES - written > ENTRY_BYTES_MAX) return written;
      if (written >= read && read > 0) {
        this.#view.setUint32(written, 0, true);
        Atomics.store(this.#control, WRITTEN, 0);
      } else {
        this.#wake();
        Atomics.wait(this.#control, READ, read);
      }
    }
  }

  #wake(): void {
    this.#quietBytes = 0;
    Atomics.notify(this.#control, WRITTEN);
  }
}

export class RingReader {
  readonly #event = new TreeEvent();
  readonly #stats = { mtimeMs: 0, ctimeMs: 0, ino: 0, size: 0 };
  readonly #control: Int32Array;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  /** Where the entry that was handed out ends. */
  #end = 0;
  /** What the writer may not have noticed. */
  #quietBytes = 0;

  constructor({ control, bytes }: RingMemory) {
    this.#control = new Int32Array(control);
    this.#bytes = Buffer.from(bytes as unknown as ArrayBuffer);
    this.#view = new DataView(bytes);
    this.#event.stats = this.#stats;
  }

  /** The next event, `later` when there is none yet. What the one before had of the ring is the writer's again. */
  next(): TreeEvent {
    const event = this.#event;
    Atomics.store(this.#control, READ, this.#end);
    const written = Atomics.load(this.#control, WRITTEN);
    const isEmpty = written === this.#end;
    if (isEmpty || this.#quietBytes >= WAKE_BYTES) {
      this.#quietBytes = 0;
      Atomics.notify(this.#control, READ);
    }
    event.kind = "later";
    if (isEmpty) return event;
    const view = this.#view;
    if (view.getUint32(this.#end, true) === 0) {
      this.#end = 0;
      return this.next();
    }
    const at = this.#end;
    event.kind = KINDS[view.getUint8(at + 4)];
    event.isExecutable = (view.getUint8(at + 5) & EXECUTABLE) !== 0;
    this.#stats.size = view.getFloat64(at + 16, true);
    this.#stats.mtimeMs = view.getFloat64(at + 24, true);
    this.#stats.ctimeMs = view.getFloat64(at + 32, true);
    this.#stats.ino = view.getFloat64(at + 40, true);
    event.seenAtMs = view.getFloat64(at + 48, true);
    if (event.kind === "file") event.digest = this.#bytes.toString("hex", at + 56, at + 56 + 32) as Digest;
    const contents = at + FIXED_BYTES;
    const name = contents + view.getUint32(at + 12, true);
    event.bytes = this.#bytes.subarray(contents, name);
    const text = name + view.getUint16(at + 6, true);
    event.name = this.#text(name, text);
    const textEnd = text + view.getUint32(at + 8, true);
    if (event.kind === "symlink") event.target = this.#text(text, textEnd);
    else if (event.kind === "directory" || event.kind === "end") event.path = this.#text(text, textEnd);
    const length = view.getUint32(at, true);
    this.#end = at + length;
    this.#quietBytes += length;
    return event;
  }

  /** After `later`: resolves when the writer has moved, or `wake` was called. */
  async ready(): Promise<void> {
    const waiting = Atomics.waitAsync(this.#control, WRITTEN, this.#end);
    if (waiting.async) await waiting.value;
  }

  wake(): void {
    Atomics.notify(this.#control, WRITTEN);
  }

  /** Lets the writer end. */
  close(): void {
    Atomics.store(this.#control, READ, GONE);
    Atomics.notify(this.#control, READ);
  }

  #text(from: number, to: number): ByteString {
    return from === to ? "" : this.#bytes.toString("latin1", from, to);
  }
}
