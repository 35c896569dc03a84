/*
Starting a program under another name than its path: argv[0] is the caller's choice in execve(2), but neither bwrap nor unshare(1) leaves it to
its own caller. So what they start is a program of ours, two hundred bytes of ELF without libraries, which calls execve as asked.

It is shown to nobody: the launch script opens it as descriptor 5, the sandbox starts /proc/self/fd/5, and the first thing it does is to close that.
The script also writes it (into an empty file made here, never open for writing in this process), since a file that any process still holds open
for writing cannot be executed, and processes started meanwhile by others would hold ours.

Only x86-64 has one; elsewhere programs go by their path.
*/

import { constants, open } from "node:fs/promises";
import { join } from "node:path";
import { type ByteString, byteStringOfText } from "@firn/base";
import type { SandboxJob } from "@firn/build";
import { shellQuote } from "./shell-quote.ts";

const DESCRIPTOR = 5;
const MESSAGE = "the builder cannot be executed: it is missing, not executable, or for another kind of machine\n";
/** Where the kernel puts the program; any page will do. */
const ADDRESS = 0x400000;
const ELF_HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;

export type NamedStart = {
  /** Lines for the launch script, before the sandbox is started; empty where they are not needed. */
  readonly script: ByteString;
  /** What the sandbox is to start instead of the job's argv. */
  readonly argv: readonly ByteString[];
};

/** How to start the job's program by its name, with what this needs in `directory`, which the job does not see. */
export async function namedStart(job: SandboxJob, directory: string): Promise<NamedStart> {
  const { argv, argv0 } = job;
  if (argv0 === undefined || argv0 === argv[0] || process.arch !== "x64") return { script: "", argv };
  const file = join(directory, "start");
  await (await open(file, constants.O_RDONLY | constants.O_CREAT | constants.O_EXCL, 0o700)).close();
  const octal = Array.from(starter(), (byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
  const quoted = shellQuote(byteStringOfText(file));
  return {
    script: `printf '${octal}' > ${quoted}\nexec ${DESCRIPTOR}<${quoted}\n`,
    argv: [`/proc/self/fd/${DESCRIPTOR}`, argv[0], argv0, ...argv.slice(1)],
  };
}

/** Closes the descriptor, then execve(argv[1], argv + 2, environ); when that fails, MESSAGE to stderr and exit code 127. */
function starter(): Uint8Array {
  const code = [
    ...[0xbf, ...int32(DESCRIPTOR)], // mov edi, DESCRIPTOR
    ...[0xb8, ...int32(3), 0x0f, 0x05], // mov eax, close; syscall
    ...[0x48, 0x8b, 0x04, 0x24], // mov rax, [rsp]: argc
    ...[0x48, 0x8b, 0x7c, 0x24, 0x10], // mov rdi, [rsp+16]: argv[1]
    ...[0x48, 0x8d, 0x74, 0x24, 0x18], // lea rsi, [rsp+24]: argv + 2
    ...[0x48, 0x8d, 0x54, 0xc4, 0x10], // lea rdx, [rsp+8*rax+16]: environ
    ...[0xb8, ...int32(59), 0x0f, 0x05], // mov eax, execve; syscall
    ...[0xbf, ...int32(2)], // mov edi, stderr
    ...[0x48, 0x8d, 0x35, ...int32(24)], // lea rsi, [rip+24]: MESSAGE, behind what follows
    ...[0xba, ...int32(MESSAGE.length)], // mov edx, length
    ...[0xb8, ...int32(1), 0x0f, 0x05], // mov eax, write; syscall
    ...[0xbf, ...int32(127)], // mov edi, 127
    ...[0xb8, ...int32(231), 0x0f, 0x05], // mov eax, exit_group; syscall
    ...Buffer.from(MESSAGE, "latin1"),
  ];
  const start = ELF_HEADER_BYTES + PROGRAM_HEADER_BYTES;
  const elf = new Uint8Array(start + code.length);
  const view = new DataView(elf.buffer);
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bits, little endian, version 1
  view.setUint16(16, 2, true); // an executable
  view.setUint16(18, 62, true); // for x86-64
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(ADDRESS + start), true); // begins here
  view.setBigUint64(32, BigInt(ELF_HEADER_BYTES), true); // program headers
  view.setUint16(52, ELF_HEADER_BYTES, true);
  view.setUint16(54, PROGRAM_HEADER_BYTES, true);
  view.setUint16(56, 1, true); // one program header:
  view.setUint32(ELF_HEADER_BYTES, 1, true); // to be loaded
  view.setUint32(ELF_HEADER_BYTES + 4, 5, true); // readable and executable
  view.setBigUint64(ELF_HEADER_BYTES + 16, BigInt(ADDRESS), true);
  view.setBigUint64(ELF_HEADER_BYTES + 24, BigInt(ADDRESS), true);
  view.setBigUint64(ELF_HEADER_BYTES + 32, BigInt(elf.length), true);
  view.setBigUint64(ELF_HEADER_BYTES + 40, BigInt(elf.length), true);
  view.setBigUint64(ELF_HEADER_BYTES + 48, 0x1000n, true);
  elf.set(code, start);
  return elf;
}

function int32(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >> 24) & 0xff];
}
