/*
A set of keys of 32 bytes each (digests, or hash parts as text) that gives each key a number: 0, 1, 2, … in the order they came. Millions of
them fit because there is no object per key: the bytes lie in one arena, and an open-addressing table of numbers finds them. Walking a graph
needs no queue besides: what is behind the last number that was handled is what is left to do.
*/

const KEY_BYTES = 32;
const KEY_WORDS = KEY_BYTES / 4;
const FIRST_CAPACITY = 1024;

export class DigestTable {
  #size = 0;
  #words: Uint32Array;
  /** Number + 1 of the key in a slot, 0 for none. Between two and four times as many slots as keys have room, a power of two. */
  #slots: Int32Array;

  /** `capacity`: how many keys are expected. More may come. */
  constructor(capacity = FIRST_CAPACITY) {
    const room = Math.max(FIRST_CAPACITY, capacity);
    this.#words = new Uint32Array(room * KEY_WORDS);
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(room * 2)));
  }

  get size(): number {
    return this.#size;
  }

  /** The number of the key in `bytes[at, at + 32)`, added when it is new. */
  add(bytes: Uint8Array, at = 0): number {
    const slot = this.#find(bytes, at);
    const found = this.#slots[slot] - 1;
    if (found >= 0) return found;
    const number = this.#size++;
    if (number * KEY_WORDS === this.#words.length) {
      const words = new Uint32Array(this.#words.length * 2);
      words.set(this.#words);
      this.#words = words;
    }
    for (let i = 0, from = at; i < KEY_WORDS; i++, from += 4) this.#words[number * KEY_WORDS + i] = wordAt(bytes, from);
    this.#slots[slot] = number + 1;
    if (this.#size * 2 > this.#slots.length) this.#spread();
    return number;
  }

  /** The number of a key, or -1. */
  numberOf(bytes: Uint8Array, at = 0): number {
    return this.#slots[this.#find(bytes, at)] - 1;
  }

  has(bytes: Uint8Array, at = 0): boolean {
    return this.#slots[this.#find(bytes, at)] !== 0;
  }

  /** Copies a key into the first 32 bytes of `to`, and yields that. */
  copyKey(number: number, to: Buffer): Buffer {
    for (let i = 0, at = 0; i < KEY_WORDS; i++) {
      const word = this.#words[number * KEY_WORDS + i];
      to[at++] = word;
      to[at++] = word >>> 8;
      to[at++] = word >>> 16;
      to[at++] = word >>> 24;
    }
    return to;
  }

  /** The slot of a key, or the free one where it would go. */
  #find(bytes: Uint8Array, at: number): number {
    const first = wordAt(bytes, at);
    const mask = this.#slots.length - 1;
    const words = this.#words;
    let slot = mix(first, wordAt(bytes, at + 4), wordAt(bytes, at + 8), wordAt(bytes, at + 12)) & mask;
    for (;;) {
      const number = this.#slots[slot] - 1;
      if (number < 0) return slot;
      const base = number * KEY_WORDS;
      if (words[base] === first) {
        let i = 1;
        while (i < KEY_WORDS && words[base + i] === wordAt(bytes, at + i * 4)) i++;
        if (i === KEY_WORDS) return slot;
      }
      slot = (slot + 1) & mask;
    }
  }

  #spread(): void {
    const words = this.#words;
    this.#slots = new Int32Array(this.#slots.length * 2);
    const mask = this.#slots.length - 1;
    for (let number = 0, at = 0; number < this.#size; number++, at += KEY_WORDS) {
      let slot = mix(words[at], words[at + 1], words[at + 2], words[at + 3]) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = number + 1;
    }
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}

/** Digests are random; of text a word has few values, so that several are mixed. */
function mix(first: number, second: number, third: number, fourth: number): number {
  let hash = Math.imul(first, 0x9e3779b1) ^ second;
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca77) ^ third;
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae3d) ^ fourth;
  return hash ^ (hash >>> 16);
}
