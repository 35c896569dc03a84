/* BLAKE3 written to be read, from its specification: the twin that the WebAssembly module is held against. One leaf or parent at a time. */

const IV = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const FLAG = { chunkStart: 1, chunkEnd: 2, parent: 4, root: 8 };
const LEAF = 1024;
const BLOCK = 64;

const rotate = (word: number, by: number) => (word >>> by) | (word << (32 - by));

function mix(v: number[], a: number, b: number, c: number, d: number, x: number, y: number): void {
  v[a] = (v[a] + v[b] + x) | 0;
  v[d] = rotate(v[d] ^ v[a], 16);
  v[c] = (v[c] + v[d]) | 0;
  v[b] = rotate(v[b] ^ v[c], 12);
  v[a] = (v[a] + v[b] + y) | 0;
  v[d] = rotate(v[d] ^ v[a], 8);
  v[c] = (v[c] + v[d]) | 0;
  v[b] = rotate(v[b] ^ v[c], 7);
}

function compress(cv: readonly number[], block: Uint8Array, counter: number, flags: number): number[] {
  const padded = new DataView(new ArrayBuffer(BLOCK));
  block.forEach((byte, i) => padded.setUint8(i, byte));
  let words = Array.from({ length: 16 }, (_, i) => padded.getUint32(i * 4, true));
  const v = [...cv, ...IV.slice(0, 4), counter | 0, Math.floor(counter / 2 ** 32), block.length, flags];
  for (let round = 0; round < 7; round++) {
    for (let column = 0; column < 4; column++)
      mix(v, column, 4 + column, 8 + column, 12 + column, words[2 * column], words[2 * column + 1]);
    for (let diagonal = 0; diagonal < 4; diagonal++) {
      const [b, c, d] = [1, 2, 3].map((by) => (diagonal + by) % 4);
      mix(v, diagonal, 4 + b, 8 + c, 12 + d, words[8 + 2 * diagonal], words[9 + 2 * diagonal]);
    }
    words = PERMUTATION.map((from) => words[from]);
  }
  return IV.map((_, i) => v[i] ^ v[i + 8]);
}

function bytesOfWords(words: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(32));
  words.forEach((word, i) => view.setUint32(i * 4, word, true));
  return new Uint8Array(view.buffer);
}

export function twinParent(pair: Uint8Array, isRoot: boolean): Uint8Array {
  return bytesOfWords(compress(IV, pair, 0, FLAG.parent | (isRoot ? FLAG.root : 0)));
}

/** The chaining value of the subtree over `bytes` whose first leaf is number `firstLeaf`, or the digest. */
export function twinSubtree(bytes: Uint8Array, firstLeaf: number, isRoot: boolean): Uint8Array {
  if (bytes.length <= LEAF) {
    let cv = IV;
    for (let at = 0; at === 0 || at < bytes.length; at += BLOCK) {
      const isLast = at + BLOCK >= bytes.length;
      const start = at === 0 ? FLAG.chunkStart : 0;
      const end = isLast ? FLAG.chunkEnd | (isRoot ? FLAG.root : 0) : 0;
      cv = compress(cv, bytes.subarray(at, at + BLOCK), firstLeaf, start | end);
    }
    return bytesOfWords(cv);
  }
  // The left child is the largest complete subtree that leaves something to the right one.
  let left = LEAF;
  while (left * 2 < bytes.length) left *= 2;
  const pair = new Uint8Array(64);
  pair.set(twinSubtree(bytes.subarray(0, left), firstLeaf, false));
  pair.set(twinSubtree(bytes.subarray(left), firstLeaf + left / LEAF, false), 32);
  return twinParent(pair, isRoot);
}
