/*
Steps of system calls (machine-code.ts) and the data they speak of as an ELF file that runs: no libraries, one part to read and execute, and one page
to write. Addresses are fixed, so pointers are numbers known beforehand.
*/

import type { ByteString } from "@firn/base";
import { assemble, ELF_MACHINES, type Machine, type Step } from "./machine-code.ts";

/** Where the kernel puts the program, and the page for what it writes; any will do that suit pages of 64 KiB. */
const ADDRESS = 0x400000;
export const SCRATCH_ADDRESS = 0x10000;
const SCRATCH_BYTES = 4096;
const ELF_HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const CODE_AT = ELF_HEADER_BYTES + 2 * PROGRAM_HEADER_BYTES;

/** The program whose steps `build` makes, with what it put into the data. It is called twice, and must make the same steps but for addresses. */
export function elfProgram(machine: Machine, build: (data: ProgramData) => Step[]): Uint8Array {
  // The code's length does not depend on addresses, so a first round with none tells where the data begins.
  const codeBytes = assemble(machine, build(new ProgramData(0, false))).length;
  const dataAt = Math.ceil((CODE_AT + codeBytes) / 8) * 8;
  const data = new ProgramData(ADDRESS + dataAt);
  const code = assemble(machine, build(data));
  const contents = data.all();
  const elf = new Uint8Array(dataAt + contents.length);
  const view = new DataView(elf.buffer);
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bits, little endian, version 1
  view.setUint16(16, 2, true); // an executable
  view.setUint16(18, ELF_MACHINES[machine], true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(ADDRESS + CODE_AT), true); // begins here
  view.setBigUint64(32, BigInt(ELF_HEADER_BYTES), true); // program headers
  view.setUint16(52, ELF_HEADER_BYTES, true);
  view.setUint16(54, PROGRAM_HEADER_BYTES, true);
  view.setUint16(56, 2, true);
  segment(view, 0, { flags: 5, address: ADDRESS, fileBytes: elf.length, memoryBytes: elf.length }); // read, execute
  segment(view, 1, { flags: 6, address: SCRATCH_ADDRESS, fileBytes: 0, memoryBytes: SCRATCH_BYTES }); // read, write
  elf.set(code, CODE_AT);
  elf.set(contents, dataAt);
  return elf;
}

type Segment = {
  readonly flags: number;
  readonly address: number;
  readonly fileBytes: number;
  readonly memoryBytes: number;
};

function segment(view: DataView, index: number, { flags, address, fileBytes, memoryBytes }: Segment): void {
  const at = ELF_HEADER_BYTES + index * PROGRAM_HEADER_BYTES;
  view.setUint32(at, 1, true); // to be loaded
  view.setUint32(at + 4, flags, true);
  view.setBigUint64(at + 16, BigInt(address), true);
  view.setBigUint64(at + 24, BigInt(address), true);
  view.setBigUint64(at + 32, BigInt(fileBytes), true);
  view.setBigUint64(at + 40, BigInt(memoryBytes), true);
  view.setBigUint64(at + 48, 0x10000n, true);
}

/** What the program needs besides instructions, laid out from an address on. */
export class ProgramData {
  readonly #parts: Uint8Array[] = [];
  readonly #from: number;
  readonly #keeps: boolean;
  #length = 0;

  /** One that keeps nothing knows no address either. */
  constructor(from: number, keeps = true) {
    this.#from = from;
    this.#keeps = keeps;
  }

  /** A NUL-terminated string's address. */
  text(text: ByteString): number {
    return this.#keeps ? this.bytes(Buffer.from(`${text}\0`, "latin1")) : 0;
  }

  /** The address of an array of strings, as execve(2) takes them. */
  pointers(texts: readonly ByteString[]): number {
    return this.words([...texts.map((text) => this.text(text)), 0]);
  }

  /** The address of a structure whose fields are 64 bits wide. */
  words(values: readonly number[]): number {
    return this.#keeps ? this.bytes(new Uint8Array(new BigUint64Array(values.map(BigInt)).buffer)) : 0;
  }

  all(): Uint8Array {
    return Buffer.concat(this.#parts);
  }

  /** Their address. */
  bytes(bytes: Uint8Array): number {
    if (!this.#keeps) return 0;
    const at = this.#length;
    const padded = new Uint8Array(Math.ceil(bytes.length / 8) * 8);
    padded.set(bytes);
    this.#parts.push(padded);
    this.#length += padded.length;
    return this.#from + at;
  }
}
