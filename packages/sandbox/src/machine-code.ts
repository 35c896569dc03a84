/*
An assembler for one program: a straight run of system calls with a few branches on their results, which is all that start-program.ts needs.
It is written once, as a list of steps, and turned into the instructions of either machine Firn builds on. Nothing else is supported, by intent.

Arguments are numbers (addresses included), the last result, or the one result that was kept.
*/

import { assert } from "@firn/base";

export type Machine = "x64" | "arm64";

type Argument = number | "result";

export type Step =
  | { readonly op: "call"; readonly name: SystemCall | number; readonly arguments: readonly Argument[] }
  /** Keeps the last result for `branch` `if: "kept"`. */
  | { readonly op: "keep" }
  | { readonly op: "label"; readonly name: string }
  /** On the last result: zero, negative (an error), equal to the kept one, or in any case. */
  | { readonly op: "branch"; readonly if: "zero" | "negative" | "kept" | "always"; readonly to: string }
  /** Ends as the wait status at an address says: its exit code, or 128 and the signal's number. */
  | { readonly op: "exit-as"; readonly address: number };

/** Numbers from the kernel's tables (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h). */
const SYSTEM_CALLS = {
  chdir: { x64: 80, arm64: 49 },
  clone: { x64: 56, arm64: 220 },
  close: { x64: 3, arm64: 57 },
  close_range: { x64: 436, arm64: 436 },
  dup3: { x64: 292, arm64: 24 },
  execve: { x64: 59, arm64: 221 },
  exit_group: { x64: 231, arm64: 94 },
  landlock_create_ruleset: { x64: 444, arm64: 444 },
  landlock_restrict_self: { x64: 446, arm64: 446 },
  mount: { x64: 165, arm64: 40 },
  openat: { x64: 257, arm64: 56 },
  fcntl: { x64: 72, arm64: 25 },
  prlimit64: { x64: 302, arm64: 261 },
  prctl: { x64: 157, arm64: 167 },
  seccomp: { x64: 317, arm64: 277 },
  unshare: { x64: 272, arm64: 97 },
  wait4: { x64: 61, arm64: 260 },
  write: { x64: 1, arm64: 64 },
} as const;
export type SystemCall = keyof typeof SYSTEM_CALLS;

/** The number ELF has for a machine. */
export const ELF_MACHINES: Readonly<Record<Machine, number>> = { x64: 62, arm64: 183 };

function numberOf(name: SystemCall | number, machine: Machine): number {
  return typeof name === "number" ? name : SYSTEM_CALLS[name][machine];
}

/** A branch to be filled in: where it stands in the code, and how its distance is written there. */
type Hole = { readonly at: number; readonly to: string; readonly fill: (code: number[], distance: number) => void };

/** The steps as instructions that can stand at any address. The length depends on the steps' shape alone, not on the numbers in them. */
export function assemble(machine: Machine, steps: readonly Step[]): Uint8Array {
  const code: number[] = [];
  const labels = new Map<string, number>();
  const holes: Hole[] = [];
  const emit = machine === "x64" ? emitX64 : emitArm64;
  for (const step of steps) {
    if (step.op === "label") labels.set(step.name, code.length);
    else emit(step, code, holes);
  }
  for (const { at, to, fill } of holes) {
    const target = labels.get(to);
    assert(target !== undefined, `the label ${to} is there`);
    fill(code, target - at);
  }
  return Uint8Array.from(code);
}

type Instruction = Exclude<Step, { op: "label" }>;

/** mov r32, imm32 for rdi, rsi, rdx, r10, r8; and mov from eax, sign kept. */
const X64_IMMEDIATES = [[0xbf], [0xbe], [0xba], [0x41, 0xba], [0x41, 0xb8]];
const X64_FROM_RESULT = [0x89, 0xc7]; // mov edi, eax: results are passed on as first arguments only

function emitX64(step: Instruction, code: number[], holes: Hole[]): void {
  switch (step.op) {
    case "call":
      step.arguments.forEach((argument, index) => {
        if (argument !== "result") return void code.push(...X64_IMMEDIATES[index], ...int32(argument));
        assert(index === 0, "a result is passed on as the first argument");
        code.push(...X64_FROM_RESULT);
      });
      return void code.push(0xb8, ...int32(numberOf(step.name, "x64")), 0x0f, 0x05); // mov eax, number; syscall
    case "keep":
      return void code.push(0x41, 0x89, 0xc4); // mov r12d, eax
    case "branch": {
      if (step.if === "kept")
        code.push(0x44, 0x39, 0xe0); // cmp eax, r12d
      else if (step.if !== "always") code.push(0x85, 0xc0); // test eax, eax
      const jump = { zero: [0x0f, 0x84], negative: [0x0f, 0x88], kept: [0x0f, 0x84], always: [0xe9] }[step.if];
      code.push(...jump, ...int32(0));
      const fill = (all: number[], distance: number) => all.splice(at - 4, 4, ...int32(distance));
      const at = code.length;
      return void holes.push({ at, to: step.to, fill });
    }
    case "exit-as":
      code.push(0x8b, 0x04, 0x25, ...int32(step.address)); // mov eax, [address]
      code.push(0x0f, 0xb6, 0xfc); // movzx edi, ah: the exit code
      code.push(0x83, 0xe0, 0x7f); // and eax, 0x7f: the signal
      code.push(0x74, 0x06); // jz over the next
      code.push(0x8d, 0xb8, ...int32(128)); // lea edi, [rax + 128]
      return void code.push(0xb8, ...int32(SYSTEM_CALLS.exit_group.x64), 0x0f, 0x05);
  }
}

/** Registers: w0 to w4 arguments and result, x8 the call's number, w19 the kept result. */
function emitArm64(step: Instruction, code: number[], holes: Hole[]): void {
  const push = (...words: number[]) => words.forEach((word) => code.push(...int32(word)));
  const move = (register: number, value: number) =>
    push(
      (0xd2800000 | ((value & 0xffff) << 5) | register) >>> 0, // movz x, low
      (0xf2a00000 | (((value >>> 16) & 0xffff) << 5) | register) >>> 0, // movk x, high, lsl 16
    );
  switch (step.op) {
    case "call":
      step.arguments.forEach((argument, index) => {
        if (argument !== "result") move(index, argument);
        else assert(index === 0, "a result is passed on as the first argument"); // where it is already
      });
      move(8, numberOf(step.name, "arm64"));
      return push(0xd4000001); // svc 0
    case "keep":
      return push(0x2a0003f3); // mov w19, w0
    case "branch": {
      if (step.if === "kept")
        push(0x6b13001f); // cmp w0, w19
      else if (step.if !== "always") push(0x7100001f); // cmp w0, 0
      const branch = { zero: 0x54000000, negative: 0x54000004, kept: 0x54000000, always: 0x14000000 }[step.if]; // b.eq, b.mi, b.eq, b
      const at = code.length;
      const fill = (all: number[], distance: number) => {
        const bits = step.if === "always" ? (distance >> 2) & 0x3ffffff : ((distance >> 2) & 0x7ffff) << 5;
        all.splice(at, 4, ...int32(branch | bits));
      };
      push(branch);
      return void holes.push({ at, to: step.to, fill });
    }
    case "exit-as":
      move(1, step.address);
      push(0xb9400021); // ldr w1, [x1]
      push(0x53083c20); // ubfx w0, w1, 8, 8: the exit code
      push(0x12001821); // and w1, w1, 0x7f: the signal
      push(0x34000041); // cbz w1, over the next
      push(0x11020020); // add w0, w1, 128
      move(8, SYSTEM_CALLS.exit_group.arm64);
      return push(0xd4000001);
  }
}

function int32(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >>> 24) & 0xff];
}
