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
  #words = new Uint32Array(FIRST_CAPACITY * KEY_WORDS);
  /** Number + 1 of the key in a slot, 0 for none; twice as many slots as keys, a power of two. */
  #slots = new Int32Array(FIRST_CAPACITY * 2);
  readonly #key = new Uint32Array(KEY_WORDS);

  get size(): number {
    return this.#size;
  }

  /** The number of the key in `bytes[at, at + 32)`, added when it is new. */
  add(bytes: Uint8Array, at = 0): number {
    const slot = this.#find(bytes, at);
    if (this.#slots[slot] !== 0) return this.#slots[slot] - 1;
    const number = this.#size++;
    this.#words.set(this.#key, number * KEY_WORDS);
    this.#slots[slot] = number + 1;
    if (this.#size * 2 > this.#slots.length - this.#slots.length / 4) this.#grow();
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
    for (let i = 0; i < KEY_WORDS; i++) to.writeUInt32LE(this.#words[number * KEY_WORDS + i], i * 4);
    return to;
  }

  /** The slot of a key, or the free one where it would go. Digests are random; the hash parts of store paths are in their first characters. */
  #find(bytes: Uint8Array, at: number): number {
    const key = this.#key;
    for (let i = 0, from = at; i < KEY_WORDS; i++, from += 4)
      key[i] = bytes[from] | (bytes[from + 1] << 8) | (bytes[from + 2] << 16) | (bytes[from + 3] << 24);
    const mask = this.#slots.length - 1;
    const words = this.#words;
    let slot = hashOf(key) & mask;
    for (;;) {
      const number = this.#slots[slot] - 1;
      if (number < 0) return slot;
      let i = 0;
      for (const base = number * KEY_WORDS; i < KEY_WORDS && words[base + i] === key[i]; ) i++;
      if (i === KEY_WORDS) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    const words = new Uint32Array(this.#words.length * 2);
    words.set(this.#words);
    this.#words = words;
    this.#slots = new Int32Array(this.#slots.length * 2);
    const mask = this.#slots.length - 1;
    for (let number = 0; number < this.#size; number++) {
      let slot = hashOf(words.subarray(number * KEY_WORDS, (number + 1) * KEY_WORDS)) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = number + 1;
    }
  }
}

/** Text has few values in a word, so that several are mixed. */
function hashOf(key: Uint32Array): number {
  let hash = Math.imul(key[0], 0x9e3779b1) ^ key[1];
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca77) ^ key[2];
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae3d) ^ key[3];
  return hash ^ (hash >>> 16);
}
