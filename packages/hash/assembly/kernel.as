/*
The inner loops of castore in AssemblyScript, which becomes WebAssembly for Node and browsers alike (`npm run generate:hash`, into
src/gen/kernel-wasm.ts): BLAKE3 over pieces of up to 16 KiB with four lanes of SIMD, and the gear hash of FastCDC. It is no TypeScript:
`u32`, `v128`, `load` and `store` are the machine's. All memory is static, so nothing is ever allocated or freed; who calls writes into
`input`, and reads from `output`.

Four chunks (or four parents) are hashed at once, lane n of every vector belonging to the nth. Message words are laid out as 16 vectors,
one a word, and each round reads them in its own order by a table of offsets.
*/

const CHUNK: u32 = 1024;
const BLOCK: u32 = 64;
const CV: u32 = 32;
const CHUNK_START: u32 = 1;
const CHUNK_END: u32 = 2;
const PARENT: u32 = 4;
const ROOT: u32 = 8;

const IV0: u32 = 0x6a09e667;
const IV1: u32 = 0xbb67ae85;
const IV2: u32 = 0x3c6ef372;
const IV3: u32 = 0xa54ff53a;
const IV4: u32 = 0x510e527f;
const IV5: u32 = 0x9b05688c;
const IV6: u32 = 0x1f83d9ab;
const IV7: u32 = 0x5be0cd19;

/** Bytes of `input`; the caller writes there what is to be hashed or searched. */
const INPUT_BYTES: i32 = 1 << 18;
const INPUT = memory.data(1 << 18, 16);
/** Chaining values of what was hashed; the caller reads there. */
const OUTPUT = memory.data(1 << 10, 16);
/** 16 vectors: the words of four blocks. */
const WORDS = memory.data(256, 16);
/** Chaining values of the chunks of one piece, at most 16, then of ever fewer parents. */
const CVS = memory.data(512, 16);
/** One block, for the last of a piece that does not fill it. */
const LAST = memory.data(64, 16);
/** State and message order of the one-lane function. */
const STATE = memory.data(64, 16);
const GEAR = memory.data(2048, 16);

/** For each of seven rounds, which word comes where. */
const ORDER = memory.data<u8>([
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8, 3, 4, 10,
  12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1, 10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6, 12, 13, 9, 11, 15,
  10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4, 9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7, 11, 15, 5, 0, 1, 9, 8, 6, 14,
  10, 2, 12, 3, 4, 7, 13,
]);

export function inputAt(): usize {
  return INPUT;
}

export function inputBytes(): i32 {
  return INPUT_BYTES;
}

export function outputAt(): usize {
  return OUTPUT;
}

export function gearAt(): usize {
  return GEAR;
}

// ---------------------------------------------------------------------------------------------------------- four lanes

// @ts-expect-error: decorator
@inline
function rotate16(x: v128): v128 {
  return i8x16.shuffle(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
}

// @ts-expect-error: decorator
@inline
function rotate8(x: v128): v128 {
  return i8x16.shuffle(x, x, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);
}

// @ts-expect-error: decorator
@inline
function rotate12(x: v128): v128 {
  return v128.or(i32x4.shr_u(x, 12), i32x4.shl(x, 20));
}

// @ts-expect-error: decorator
@inline
function rotate7(x: v128): v128 {
  return v128.or(i32x4.shr_u(x, 7), i32x4.shl(x, 25));
}

// @ts-expect-error: decorator
@inline
function word(order: usize, i: usize): v128 {
  return v128.load(WORDS + ((<usize>load<u8>(order + i)) << 4));
}

/** Lays out the words of four blocks, `stride` bytes apart, as 16 vectors. */
function layOut(from: usize, stride: usize): void {
  for (let quarter: usize = 0; quarter < 4; quarter++) {
    const at = from + (quarter << 4);
    const a = v128.load(at);
    const b = v128.load(at + stride);
    const c = v128.load(at + 2 * stride);
    const d = v128.load(at + 3 * stride);
    const ab01 = i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const ab23 = i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    const cd01 = i8x16.shuffle(c, d, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const cd23 = i8x16.shuffle(c, d, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    const to = WORDS + (quarter << 6);
    v128.store(to, i8x16.shuffle(ab01, cd01, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
    v128.store(to, i8x16.shuffle(ab01, cd01, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), 16);
    v128.store(to, i8x16.shuffle(ab23, cd23, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23), 32);
    v128.store(to, i8x16.shuffle(ab23, cd23, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), 48);
  }
}

/** Writes four of eight vectors as the words `first` to `first + 3` of four chaining values. */
// @ts-expect-error: decorator
@inline
function writeBack(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab01 = i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const ab23 = i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  const cd01 = i8x16.shuffle(c, d, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const cd23 = i8x16.shuffle(c, d, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  v128.store(to, i8x16.shuffle(ab01, cd01, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
  v128.store(to, i8x16.shuffle(ab01, cd01, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), 32);
  v128.store(to, i8x16.shuffle(ab23, cd23, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23), 64);
  v128.store(to, i8x16.shuffle(ab23, cd23, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), 96);
}

/**
 * Four chains of `blocks` whole blocks, which begin `stride` bytes apart, into four chaining values at `to`. Chunks count upwards from
 * `counter`, which is a multiple of four; parents (`isParent`) do not count.
 */
function hashFour(from: usize, stride: usize, blocks: u32, counter: u64, isParent: bool, to: usize): void {
  let h0 = i32x4.splat(IV0);
  let h1 = i32x4.splat(IV1);
  let h2 = i32x4.splat(IV2);
  let h3 = i32x4.splat(IV3);
  let h4 = i32x4.splat(IV4);
  let h5 = i32x4.splat(IV5);
  let h6 = i32x4.splat(IV6);
  let h7 = i32x4.splat(IV7);
  const counterLow = isParent ? i32x4.splat(0) : i32x4.add(i32x4.splat(<i32>counter), i32x4(0, 1, 2, 3));
  const counterHigh = i32x4.splat(isParent ? 0 : <i32>(counter >> 32));
  for (let block: u32 = 0; block < blocks; block++) {
    layOut(from + block * BLOCK, stride);
    let flags = isParent ? PARENT : 0;
    if (!isParent && block == 0) flags |= CHUNK_START;
    if (!isParent && block + 1 == blocks) flags |= CHUNK_END;
    let v0 = h0;
    let v1 = h1;
    let v2 = h2;
    let v3 = h3;
    let v4 = h4;
    let v5 = h5;
    let v6 = h6;
    let v7 = h7;
    let v8 = i32x4.splat(IV0);
    let v9 = i32x4.splat(IV1);
    let v10 = i32x4.splat(IV2);
    let v11 = i32x4.splat(IV3);
    let v12 = counterLow;
    let v13 = counterHigh;
    let v14 = i32x4.splat(BLOCK);
    let v15 = i32x4.splat(flags);
    for (let order: usize = ORDER; order < ORDER + 112; order += 16) {
      v0 = i32x4.add(i32x4.add(v0, v4), word(order, 0));
      v12 = rotate16(v128.xor(v12, v0));
      v8 = i32x4.add(v8, v12);
      v4 = rotate12(v128.xor(v4, v8));
      v0 = i32x4.add(i32x4.add(v0, v4), word(order, 1));
      v12 = rotate8(v128.xor(v12, v0));
      v8 = i32x4.add(v8, v12);
      v4 = rotate7(v128.xor(v4, v8));
      v1 = i32x4.add(i32x4.add(v1, v5), word(order, 2));
      v13 = rotate16(v128.xor(v13, v1));
      v9 = i32x4.add(v9, v13);
      v5 = rotate12(v128.xor(v5, v9));
      v1 = i32x4.add(i32x4.add(v1, v5), word(order, 3));
      v13 = rotate8(v128.xor(v13, v1));
      v9 = i32x4.add(v9, v13);
      v5 = rotate7(v128.xor(v5, v9));
      v2 = i32x4.add(i32x4.add(v2, v6), word(order, 4));
      v14 = rotate16(v128.xor(v14, v2));
      v10 = i32x4.add(v10, v14);
      v6 = rotate12(v128.xor(v6, v10));
      v2 = i32x4.add(i32x4.add(v2, v6), word(order, 5));
      v14 = rotate8(v128.xor(v14, v2));
      v10 = i32x4.add(v10, v14);
      v6 = rotate7(v128.xor(v6, v10));
      v3 = i32x4.add(i32x4.add(v3, v7), word(order, 6));
      v15 = rotate16(v128.xor(v15, v3));
      v11 = i32x4.add(v11, v15);
      v7 = rotate12(v128.xor(v7, v11));
      v3 = i32x4.add(i32x4.add(v3, v7), word(order, 7));
      v15 = rotate8(v128.xor(v15, v3));
      v11 = i32x4.add(v11, v15);
      v7 = rotate7(v128.xor(v7, v11));
      v0 = i32x4.add(i32x4.add(v0, v5), word(order, 8));
      v15 = rotate16(v128.xor(v15, v0));
      v10 = i32x4.add(v10, v15);
      v5 = rotate12(v128.xor(v5, v10));
      v0 = i32x4.add(i32x4.add(v0, v5), word(order, 9));
      v15 = rotate8(v128.xor(v15, v0));
      v10 = i32x4.add(v10, v15);
      v5 = rotate7(v128.xor(v5, v10));
      v1 = i32x4.add(i32x4.add(v1, v6), word(order, 10));
      v12 = rotate16(v128.xor(v12, v1));
      v11 = i32x4.add(v11, v12);
      v6 = rotate12(v128.xor(v6, v11));
      v1 = i32x4.add(i32x4.add(v1, v6), word(order, 11));
      v12 = rotate8(v128.xor(v12, v1));
      v11 = i32x4.add(v11, v12);
      v6 = rotate7(v128.xor(v6, v11));
      v2 = i32x4.add(i32x4.add(v2, v7), word(order, 12));
      v13 = rotate16(v128.xor(v13, v2));
      v8 = i32x4.add(v8, v13);
      v7 = rotate12(v128.xor(v7, v8));
      v2 = i32x4.add(i32x4.add(v2, v7), word(order, 13));
      v13 = rotate8(v128.xor(v13, v2));
      v8 = i32x4.add(v8, v13);
      v7 = rotate7(v128.xor(v7, v8));
      v3 = i32x4.add(i32x4.add(v3, v4), word(order, 14));
      v14 = rotate16(v128.xor(v14, v3));
      v9 = i32x4.add(v9, v14);
      v4 = rotate12(v128.xor(v4, v9));
      v3 = i32x4.add(i32x4.add(v3, v4), word(order, 15));
      v14 = rotate8(v128.xor(v14, v3));
      v9 = i32x4.add(v9, v14);
      v4 = rotate7(v128.xor(v4, v9));
    }
    h0 = v128.xor(v0, v8);
    h1 = v128.xor(v1, v9);
    h2 = v128.xor(v2, v10);
    h3 = v128.xor(v3, v11);
    h4 = v128.xor(v4, v12);
    h5 = v128.xor(v5, v13);
    h6 = v128.xor(v6, v14);
    h7 = v128.xor(v7, v15);
  }
  writeBack(to, h0, h1, h2, h3);
  writeBack(to + 16, h4, h5, h6, h7);
}

// ----------------------------------------------------------------------------------------------------------- one lane

// @ts-expect-error: decorator
@inline
function mix(a: usize, b: usize, c: usize, d: usize, x: u32, y: u32): void {
  let va = load<u32>(STATE + (a << 2));
  let vb = load<u32>(STATE + (b << 2));
  let vc = load<u32>(STATE + (c << 2));
  let vd = load<u32>(STATE + (d << 2));
  va = va + vb + x;
  vd = rotr<u32>(vd ^ va, 16);
  vc = vc + vd;
  vb = rotr<u32>(vb ^ vc, 12);
  va = va + vb + y;
  vd = rotr<u32>(vd ^ va, 8);
  vc = vc + vd;
  vb = rotr<u32>(vb ^ vc, 7);
  store<u32>(STATE + (a << 2), va);
  store<u32>(STATE + (b << 2), vb);
  store<u32>(STATE + (c << 2), vc);
  store<u32>(STATE + (d << 2), vd);
}

/** One block of `length` bytes, zeros behind, into the chaining value at `cv`. */
function compress(cv: usize, block: usize, length: u32, counter: u64, flags: u32): void {
  memory.copy(STATE, cv, CV);
  store<u32>(STATE, IV0, 32);
  store<u32>(STATE, IV1, 36);
  store<u32>(STATE, IV2, 40);
  store<u32>(STATE, IV3, 44);
  store<u64>(STATE, counter, 48);
  store<u32>(STATE, length, 56);
  store<u32>(STATE, flags, 60);
  for (let order: usize = ORDER; order < ORDER + 112; order += 16) {
    mix(0, 4, 8, 12, one(block, order), one(block, order + 1));
    mix(1, 5, 9, 13, one(block, order + 2), one(block, order + 3));
    mix(2, 6, 10, 14, one(block, order + 4), one(block, order + 5));
    mix(3, 7, 11, 15, one(block, order + 6), one(block, order + 7));
    mix(0, 5, 10, 15, one(block, order + 8), one(block, order + 9));
    mix(1, 6, 11, 12, one(block, order + 10), one(block, order + 11));
    mix(2, 7, 8, 13, one(block, order + 12), one(block, order + 13));
    mix(3, 4, 9, 14, one(block, order + 14), one(block, order + 15));
  }
  for (let i: usize = 0; i < 32; i += 4) {
    store<u32>(cv + i, load<u32>(STATE + i) ^ load<u32>(STATE + i + 32));
  }
}

// @ts-expect-error: decorator
@inline
function one(block: usize, order: usize): u32 {
  return load<u32>(block + ((<usize>load<u8>(order)) << 2));
}

function startCv(cv: usize): void {
  store<u32>(cv, IV0);
  store<u32>(cv, IV1, 4);
  store<u32>(cv, IV2, 8);
  store<u32>(cv, IV3, 12);
  store<u32>(cv, IV4, 16);
  store<u32>(cv, IV5, 20);
  store<u32>(cv, IV6, 24);
  store<u32>(cv, IV7, 28);
}

/** A chunk of at most 1024 bytes, perhaps none. */
function hashOne(from: usize, length: u32, counter: u64, flags: u32, to: usize): void {
  startCv(to);
  let at: u32 = 0;
  let start = CHUNK_START;
  while (length - at > BLOCK) {
    compress(to, from + at, BLOCK, counter, start);
    start = 0;
    at += BLOCK;
  }
  memory.fill(LAST, 0, BLOCK);
  memory.copy(LAST, from + at, length - at);
  compress(to, LAST, length - at, counter, start | CHUNK_END | flags);
}

function hashParent(children: usize, flags: u32, to: usize): void {
  memory.copy(LAST, children, BLOCK);
  startCv(to);
  compress(to, LAST, BLOCK, 0, PARENT | flags);
}

// --------------------------------------------------------------------------------------------------------- what is offered

/**
 * The chaining value of a subtree of 1 to 16 chunks, `length` bytes at `from`, whose first chunk is number `counter` (a multiple of
 * four); with `isRoot` the digest of these bytes as a whole, which may be none.
 */
function subtree(from: usize, length: u32, counter: u64, isRoot: bool, to: usize): void {
  const chunks: u32 = length == 0 ? 1 : (length + CHUNK - 1) / CHUNK;
  const root = isRoot ? ROOT : 0;
  if (chunks == 1) {
    hashOne(from, length, counter, root, to);
    return;
  }
  let n: u32 = 0;
  for (; (n + 4) * CHUNK <= length; n += 4) hashFour(from + n * CHUNK, CHUNK, 16, counter + n, false, CVS + n * CV);
  for (; n < chunks; n++) hashOne(from + n * CHUNK, min<u32>(length - n * CHUNK, CHUNK), counter + n, 0, CVS + n * CV);
  // Level by level, a chaining value without a sibling going up as it is: what comes out is BLAKE3's tree.
  let count = chunks;
  while (count > 2) {
    const pairs = count >> 1;
    let pair: u32 = 0;
    for (; pair + 4 <= pairs; pair += 4) hashFour(CVS + pair * BLOCK, BLOCK, 1, 0, true, CVS + pair * CV);
    for (; pair < pairs; pair++) hashParent(CVS + pair * BLOCK, 0, CVS + pair * CV);
    if (count & 1) memory.copy(CVS + pairs * CV, CVS + (count - 1) * CV, CV);
    count = pairs + (count & 1);
  }
  hashParent(CVS, root, to);
}

/** `subtree` of `length` bytes of input at `from`, at most 16 KiB, into the output. */
export function hashPiece(from: u32, length: u32, counter: u64, isRoot: bool): void {
  subtree(INPUT + from, length, counter, isRoot, OUTPUT);
}

/** The chaining values of each 16 KiB of `length` bytes of input, the last perhaps shorter, into the output one after another. */
export function hashGroups(length: u32, counter: u64): void {
  for (let at: u32 = 0; at < length; at += 16384) {
    subtree(INPUT + at, min<u32>(length - at, 16384), counter + (at >> 10), false, OUTPUT + ((at >> 14) << 5));
  }
}

/** The chaining value of the parent of two, which are the first 64 bytes of input, into the output. */
export function hashPair(isRoot: bool): void {
  hashParent(INPUT, isRoot ? ROOT : 0, OUTPUT);
}

/** Gear hash so far of the chunk being looked for. */
let gearHash: u64 = 0;

export function startCut(): void {
  gearHash = 0;
}

/** Looks for a cut in `[0, length)` of input, going on where the call before ended: the first byte at which the hash has no bit of `mask`, or -1. */
export function findCut(length: i32, mask: u64): i32 {
  let hash = gearHash;
  let at: i32 = 0;
  // Two bytes a step, whose sum is ready before the hash is: half the time of one after the other.
  for (; at + 1 < length; at += 2) {
    const first = load<u64>(GEAR + ((<usize>load<u8>(INPUT + at)) << 3));
    const second = load<u64>(GEAR + ((<usize>load<u8>(INPUT + at + 1)) << 3));
    if ((((hash << 1) + first) & mask) == 0) return at;
    hash = (hash << 2) + ((first << 1) + second);
    if ((hash & mask) == 0) return at + 1;
  }
  if (at < length) {
    hash = (hash << 1) + load<u64>(GEAR + ((<usize>load<u8>(INPUT + at)) << 3));
    if ((hash & mask) == 0) return at;
  }
  gearHash = hash;
  return -1;
}
