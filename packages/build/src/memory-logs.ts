/* Live logs in memory: of one process, gone with it. */

import { assert } from "@firn/base";
import type { LiveLog, LiveLogs } from "./live-logs.ts";

type Pieces = { readonly pieces: Uint8Array[]; readonly offsets: number[]; length: number };

export class MemoryLogs implements LiveLogs {
  readonly #logs = new Map<string, Pieces>();

  open(id: string): LiveLog {
    assert(!this.#logs.has(id), "an attempt has one log");
    const kept: Pieces = { pieces: [], offsets: [], length: 0 };
    this.#logs.set(id, kept);
    return {
      get length() {
        return kept.length;
      },
      append: (bytes) => {
        kept.offsets.push(kept.length);
        kept.pieces.push(new Uint8Array(bytes)); // not slice: a Buffer's would share its memory
        kept.length += bytes.length;
      },
      close: () => {},
    };
  }

  async read(id: string, from: number, buffer?: Uint8Array): Promise<Uint8Array | undefined> {
    const kept = this.#logs.get(id);
    if (kept === undefined) return undefined;
    if (from >= kept.length) return new Uint8Array(0);
    let low = 0;
    let high = kept.pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (kept.offsets[middle] <= from) low = middle;
      else high = middle - 1;
    }
    const piece = kept.pieces[low].subarray(from - kept.offsets[low]);
    if (buffer === undefined) return piece.slice();
    const bytes = buffer.subarray(0, Math.min(buffer.length, piece.length));
    bytes.set(piece.subarray(0, bytes.length));
    return bytes;
  }

  async remove(id: string): Promise<void> {
    this.#logs.delete(id);
  }
}
