/*
The filter of system calls every builder runs under, as a classic BPF program in the kernel's form. It follows what C++ Nix refuses (setupSeccomp in
linux-derivation-builder.cc), and why: files that are setuid or setgid would give a host user the builder's rights while the build goes on,
extended attributes and ACLs cannot be kept in a store. Beyond that, bits set where a file is made (open, mkdir, mknod), which Nix lets pass;
openat2 and io_uring, whose arguments a filter cannot see, are said not to exist, and programs go on without them.

Not a wall against an attack on the kernel: everything else is allowed, as in Nix.
*/

import type { Machine } from "./machine-code.ts";

const EPERM = 1;
const ENOSYS = 38;
const ENOTSUP = 95;
const SET_ID_BITS = 0o6000;
/** O_CREAT, and the bit of O_TMPFILE that is its own: open reads a mode only with one of them. The same on all our machines. */
const MAKES_A_FILE = 0o100 | 0o20000000;

type Rule =
  | { readonly deny: number }
  /** Denies set-id bits in this argument, where given only when `flags`, another argument, makes a file. */
  | { readonly mode: number; readonly flags?: number };

const XATTR = { deny: ENOTSUP };
const GONE = { deny: ENOSYS };
const RULES: Readonly<Record<string, Rule>> = {
  chmod: { mode: 1 },
  fchmod: { mode: 1 },
  fchmodat: { mode: 2 },
  fchmodat2: { mode: 2 },
  creat: { mode: 1 },
  open: { mode: 2, flags: 1 },
  openat: { mode: 3, flags: 2 },
  mkdir: { mode: 1 },
  mkdirat: { mode: 2 },
  mknod: { mode: 1 },
  mknodat: { mode: 2 },
  setxattr: XATTR,
  lsetxattr: XATTR,
  fsetxattr: XATTR,
  setxattrat: XATTR,
  getxattr: XATTR,
  lgetxattr: XATTR,
  fgetxattr: XATTR,
  getxattrat: XATTR,
  listxattr: XATTR,
  llistxattr: XATTR,
  flistxattr: XATTR,
  listxattrat: XATTR,
  openat2: GONE,
  io_uring_setup: GONE,
  io_uring_enter: GONE,
  io_uring_register: GONE,
};

/** Numbers that are the same on every machine, which all newer ones are. */
const COMMON = {
  io_uring_setup: 425,
  io_uring_enter: 426,
  io_uring_register: 427,
  openat2: 437,
  fchmodat2: 452,
  setxattrat: 463,
  getxattrat: 464,
  listxattrat: 465,
};
const X64 = {
  ...COMMON,
  ...{ open: 2, mkdir: 83, creat: 85, chmod: 90, fchmod: 91, mknod: 133, openat: 257, mkdirat: 258, mknodat: 259 },
  ...{ fchmodat: 268, setxattr: 188, lsetxattr: 189, fsetxattr: 190, getxattr: 191, lgetxattr: 192, fgetxattr: 193 },
  ...{ listxattr: 194, llistxattr: 195, flistxattr: 196 },
};
const I386 = {
  ...COMMON,
  ...{ open: 5, creat: 8, mknod: 14, chmod: 15, mkdir: 39, fchmod: 94, openat: 295, mkdirat: 296, mknodat: 297 },
  ...{ fchmodat: 306, setxattr: 226, lsetxattr: 227, fsetxattr: 228, getxattr: 229, lgetxattr: 230, fgetxattr: 231 },
  ...{ listxattr: 232, llistxattr: 233, flistxattr: 234 },
};
const ARM64 = {
  ...COMMON,
  ...{ setxattr: 5, lsetxattr: 6, fsetxattr: 7, getxattr: 8, lgetxattr: 9, fgetxattr: 10, listxattr: 11 },
  ...{ llistxattr: 12, flistxattr: 13, mknodat: 33, mkdirat: 34, fchmod: 52, fchmodat: 53, openat: 56 },
};
const ARM = {
  ...COMMON,
  ...{ open: 5, creat: 8, mknod: 14, chmod: 15, mkdir: 39, fchmod: 94, openat: 322, mkdirat: 323, mknodat: 324 },
  ...{ fchmodat: 333, setxattr: 226, lsetxattr: 227, fsetxattr: 228, getxattr: 229, lgetxattr: 230, fgetxattr: 231 },
  ...{ listxattr: 232, llistxattr: 233, flistxattr: 234 },
};

/** AUDIT_ARCH_* of the machine and of the older one whose programs it also runs. */
const TABLES = {
  x64: [
    { arch: 0xc000003e, numbers: X64 },
    { arch: 0x40000003, numbers: I386 },
  ],
  arm64: [
    { arch: 0xc00000b7, numbers: ARM64 },
    { arch: 0x40000028, numbers: ARM },
  ],
} as const;

/** Numbers from here on are x32's, a third set of calls on x86-64 that nobody uses. */
const X32_FROM = 0x40000000;

const LOAD = 0x20; // ld [offset into struct seccomp_data]
const IF_EQUAL = 0x15;
const IF_ANY_BIT = 0x45;
const IF_AT_LEAST = 0x35;
const RETURN = 0x06;
const ALLOW = 0x7fff0000;
const ERRNO = 0x00050000;
const NUMBER_AT = 0;
const ARCH_AT = 4;
/** The low half of an argument, where all bits we ask for are. */
const argumentAt = (index: number) => 16 + 8 * index;

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number];

/** The filter as struct sock_filter, 8 bytes each. */
export function seccompFilter(machine: Machine): Uint8Array {
  const program: Instruction[] = [[LOAD, 0, 0, ARCH_AT]];
  for (const { arch, numbers } of TABLES[machine]) {
    const block = blockOf(numbers, machine === "x64" && arch === 0xc000003e);
    program.push([IF_EQUAL, 0, block.length, arch], ...block);
  }
  program.push([RETURN, 0, 0, ERRNO | ENOSYS]);
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, [code, ifTrue, ifFalse, value]] of program.entries()) {
    view.setUint16(index * 8, code, true);
    bytes[index * 8 + 2] = ifTrue;
    bytes[index * 8 + 3] = ifFalse;
    view.setUint32(index * 8 + 4, value, true);
  }
  return bytes;
}

function blockOf(numbers: Readonly<Record<string, number>>, refusesX32: boolean): Instruction[] {
  const block: Instruction[] = [[LOAD, 0, 0, NUMBER_AT]];
  if (refusesX32) block.push([IF_AT_LEAST, 0, 1, X32_FROM], [RETURN, 0, 0, ERRNO | ENOSYS]);
  for (const [name, number] of Object.entries(numbers)) {
    const body = bodyOf(RULES[name]);
    block.push([IF_EQUAL, 0, body.length, number], ...body);
  }
  block.push([RETURN, 0, 0, ALLOW]);
  return block;
}

function bodyOf(rule: Rule): Instruction[] {
  if ("deny" in rule) return [[RETURN, 0, 0, ERRNO | rule.deny]];
  const body: Instruction[] = [];
  if (rule.flags !== undefined)
    body.push([LOAD, 0, 0, argumentAt(rule.flags)], [IF_ANY_BIT, 1, 0, MAKES_A_FILE], [RETURN, 0, 0, ALLOW]);
  body.push([LOAD, 0, 0, argumentAt(rule.mode)], [IF_ANY_BIT, 0, 1, SET_ID_BITS]);
  body.push([RETURN, 0, 0, ERRNO | EPERM], [RETURN, 0, 0, ALLOW]);
  return body;
}
