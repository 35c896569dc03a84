/*
Many writes to the index without waiting for each: they are issued at once, the queue holds the producer back when too much is under way,
and `settled` waits for the last commit and reports the first failure. Values are copied into arenas, so that the caller's
buffers are free again on return and a hundred thousand small values do not become as many allocations.
*/

import { storageError } from "./error.ts";
import { committed, type Table } from "./store-index.ts";

const ARENA_BYTES = 1 << 20;
const BYTES_UNDER_WAY_MAX = 16 << 20;
const WRITES_UNDER_WAY_MAX = 8192;

export class WriteQueue {
  readonly #doing: string;
  #arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
  #arenaUsed = 0;
  #bytesUnderWay = 0;
  #writesUnderWay = 0;
  #last: Promise<unknown> = Promise.resolve();
  #failure: { readonly thrown: unknown } | undefined;

  /** `doing` says what fails when a write does: "importing a tree". */
  constructor(doing: string) {
    this.#doing = doing;
  }

  /** True when `relieved` should be awaited before more is put. */
  get isFull(): boolean {
    return this.#bytesUnderWay > BYTES_UNDER_WAY_MAX || this.#writesUnderWay > WRITES_UNDER_WAY_MAX;
  }

  /** Issues a write. The value may be `head` followed by `body`; both are the caller's again on return. */
  put(table: Table, key: Buffer, head: Uint8Array, body?: Uint8Array): void {
    const value = this.#room(head.length + (body?.length ?? 0));
    value.set(head);
    if (body !== undefined) value.set(body, head.length);
    this.#bytesUnderWay += value.length;
    this.#writesUnderWay++;
    this.#last = committed(table.put(key, value)).then(
      () => this.#done(value.length),
      (thrown) => {
        this.#failure ??= { thrown };
        this.#done(value.length);
      },
    );
  }

  /** Waits until what is under way now is durable; throws the first failure so far. */
  async settled(): Promise<void> {
    await this.#last;
    if (this.#failure !== undefined) throw storageError(this.#doing, this.#failure.thrown);
  }

  #done(length: number): void {
    this.#bytesUnderWay -= length;
    this.#writesUnderWay--;
  }

  #room(length: number): Buffer {
    if (length > ARENA_BYTES / 8) return Buffer.allocUnsafeSlow(length);
    if (this.#arenaUsed + length > ARENA_BYTES) {
      this.#arena = Buffer.allocUnsafeSlow(ARENA_BYTES); // the old one lives on in the values that are under way
      this.#arenaUsed = 0;
    }
    const room = this.#arena.subarray(this.#arenaUsed, this.#arenaUsed + length);
    this.#arenaUsed += length;
    return room;
  }
}
