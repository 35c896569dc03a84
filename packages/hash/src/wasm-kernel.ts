/*
The WebAssembly module with castore's inner loops (assembly/kernel.as), made on first use and kept for the process. It has one static
input, so every use is: copy in, call, copy out, without leaving the call. It is pure: what it answers depends on its arguments alone.
*/

import { fromBase64 } from "./encoding.ts";
import { KERNEL_WASM } from "./gen/kernel-wasm.ts";
import { hashBytes } from "./kernel.ts";

type Exports = {
  readonly memory: { readonly buffer: ArrayBuffer };
  inputAt(): number;
  inputBytes(): number;
  outputAt(): number;
  gearAt(): number;
  hashPiece(from: number, length: number, counter: bigint, isRoot: boolean): void;
  hashGroups(length: number, counter: bigint): void;
  hashPair(isRoot: boolean): void;
  startCut(): void;
  findCut(length: number, mask: bigint): number;
};

/** The part of WebAssembly's interface used here: every engine has it, TypeScript knows it only together with the DOM. */
type WebAssemblyGlobal = {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
};

export type WasmKernel = {
  readonly call: Exports;
  /** What a call reads. */
  readonly input: Uint8Array;
  /** What a call leaves, until the next. */
  readonly output: Uint8Array;
};

const OUTPUT_BYTES = 1024;
const GEAR_SEED_BYTES = 64;

let made: WasmKernel | undefined;

export function wasmKernel(): WasmKernel {
  made ??= makeKernel();
  return made;
}

function makeKernel(): WasmKernel {
  const { Module, Instance } = (globalThis as unknown as { readonly WebAssembly: WebAssemblyGlobal }).WebAssembly;
  const call = new Instance(new Module(fromBase64(KERNEL_WASM) as Uint8Array), {}).exports as Exports;
  const { buffer } = call.memory;
  writeGear(new DataView(buffer, call.gearAt()));
  return {
    call,
    input: new Uint8Array(buffer, call.inputAt(), call.inputBytes()),
    output: new Uint8Array(buffer, call.outputAt(), OUTPUT_BYTES),
  };
}

/** FastCDC's 256 random numbers: number n is the first eight bytes, big-endian, of the MD5 of 64 bytes of value n. */
function writeGear(table: DataView): void {
  for (let value = 0; value < 256; value++) {
    const digest = hashBytes("md5", new Uint8Array(GEAR_SEED_BYTES).fill(value));
    table.setBigUint64(value * 8, new DataView(digest.buffer, digest.byteOffset).getBigUint64(0), true);
  }
}
