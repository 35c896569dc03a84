/*
Code as bytes, for the cache. The tree is written as the table of operations describes it; strings stand in a table of their own, each once.
What may never run, function bodies and whatever a lazy position would suspend, is preceded by its length, so that a reader can leave it be.

Layout (all numbers LEB128 unless said otherwise): count of strings, their lengths, their bytes; then the root instruction. An
instruction is its operation's number, its position as a zigzag difference from the one around it, then its operands by kind.
docs/formats/code-cache.md has the details.
*/

import { assert } from "@firn/base";
import { Attrs } from "./attrs.ts";
import { type Instruction, OPERATIONS, suspend } from "./instruction.ts";
import type { LambdaCode } from "./lambda.ts";
import type { PathStep } from "./ops-sets.ts";
import type { Shape } from "./shape.ts";
import { NixFloat, type Value } from "./value.ts";

/** Tags of constants. */
export const CONSTANT = {
  null: 0,
  true: 1,
  false: 2,
  int: 3,
  bigint: 4,
  float: 5,
  string: 6,
  list: 7,
  attrs: 8,
} as const;
/** Tags of a nested instruction. */
export const CHILD = { inline: 0, lazy: 1, none: 2 } as const;

/** Smaller pieces are read at once: leaving them be would cost more than it saves. */
const LAZY_BYTES_MIN = 12;

/** Writes code compiled at position `base`, before it ran. */
export function encodeCode(root: Instruction, base: number): Uint8Array {
  const writer = new CodeWriter();
  writer.instruction(root, base);
  return writer.finish();
}

class CodeWriter {
  #bytes = new Uint8Array(4096);
  #length = 0;
  readonly #strings = new Map<string, number>();

  finish(): Uint8Array {
    const code = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    this.#uint(this.#strings.size);
    for (const string of this.#strings.keys()) this.#uint(string.length);
    for (const string of this.#strings.keys()) {
      this.#reserve(string.length);
      for (let i = 0; i < string.length; i++) this.#bytes[this.#length++] = string.charCodeAt(i);
    }
    this.#reserve(code.length);
    this.#bytes.set(code, this.#length);
    return this.#bytes.slice(0, this.#length + code.length);
  }

  instruction(i: Instruction, around: number): void {
    const { operands } = OPERATIONS[i.op];
    this.#byte(i.op);
    this.#int(i.pos - around);
    for (let n = 0; n < operands.length; n++) {
      const operand = n === 0 ? i.a : n === 1 ? i.b : n === 2 ? i.c : n === 3 ? i.d : i.e;
      switch (operands[n][0]) {
        case "const":
          this.#constant(operand);
          break;
        case "code":
          this.#child(operand, i.pos);
          break;
        case "codes":
          this.#uint(operand.length);
          for (const child of operand as Instruction[]) this.#child(child, i.pos);
          break;
        case "number":
          this.#uint(operand);
          break;
        case "numbers":
          this.#uint(operand.length);
          for (const number of operand as number[]) this.#uint(number);
          break;
        case "name":
          this.#string(operand);
          break;
        case "path":
          this.#path(operand, i.pos);
          break;
        case "shape":
          this.#shape(operand, i.pos);
          break;
        case "lambda":
          this.#lambda(operand, i.pos);
          break;
        case "linked":
        case "cache":
          break;
      }
    }
  }

  #child(i: Instruction | null, around: number): void {
    if (i === null) return this.#byte(CHILD.none);
    const start = this.#length;
    this.#byte(CHILD.inline);
    this.instruction(i, around);
    const length = this.#length - start - 1;
    if (i.th !== suspend || length < LAZY_BYTES_MIN) return;
    // Make room for the length that makes it lazy.
    const widthBytes = uintLength(length);
    this.#reserve(widthBytes);
    this.#bytes.copyWithin(start + 1 + widthBytes, start + 1, this.#length);
    this.#length = start;
    this.#byte(CHILD.lazy);
    this.#uint(length);
    this.#length += length;
  }

  #path(steps: readonly PathStep[], around: number): void {
    this.#uint(steps.length);
    for (const step of steps) {
      if (typeof step === "string") {
        this.#byte(CHILD.none);
        this.#string(step);
      } else this.#child(step, around);
    }
  }

  #shape({ names, positions }: Shape, around: number): void {
    this.#uint(names.length);
    let before = around;
    for (let n = 0; n < names.length; n++) {
      this.#string(names[n]);
      const pos = positions === null ? around : positions[n];
      this.#int(pos - before);
      before = pos;
    }
  }

  #lambda(code: LambdaCode, around: number): void {
    this.#uint(code.arity);
    this.#int(code.pos - around);
    this.#string(code.name);
    this.#uint(code.argNames.length);
    for (const name of code.argNames) this.#string(name);
    for (const pos of code.innerPositions) this.#int(pos - code.pos);
    this.#byte((code.formals === null ? 0 : 1) | (code.ellipsis ? 2 : 0) | (code.named ? 4 : 0));
    if (code.formals !== null) {
      this.#uint(code.formals.length);
      for (const formal of code.formals) {
        this.#string(formal.name);
        this.#int(formal.pos - code.pos);
        this.#child(formal.fallback, code.pos);
      }
    }
    this.#child(code.body, code.pos);
  }

  #constant(value: Value): void {
    if (value === null) this.#byte(CONSTANT.null);
    else if (value === true) this.#byte(CONSTANT.true);
    else if (value === false) this.#byte(CONSTANT.false);
    else if (typeof value === "string") {
      this.#byte(CONSTANT.string);
      this.#string(value);
    } else if (typeof value === "number" && value >= 0 && value < 2 ** 31) {
      this.#byte(CONSTANT.int);
      this.#uint(value);
    } else if (typeof value === "number" || typeof value === "bigint") {
      this.#byte(CONSTANT.bigint);
      this.#string(String(value));
    } else if (value instanceof NixFloat) {
      this.#byte(CONSTANT.float);
      this.#string(String(value.value));
    } else if (Array.isArray(value)) {
      assert(value.length === 0, "only the empty list is a constant");
      this.#byte(CONSTANT.list);
    } else {
      assert(value === Attrs.EMPTY, "only the empty set is a constant");
      this.#byte(CONSTANT.attrs);
    }
  }

  // Numbers and strings

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const bigger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    bigger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bigger;
  }

  #byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  #uint(value: number): void {
    assert(value >= 0 && value < 2 ** 31, "numbers in code are small");
    this.#reserve(5);
    let rest = value;
    while (rest > 127) {
      this.#bytes[this.#length++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.#bytes[this.#length++] = rest;
  }

  #int(value: number): void {
    this.#uint(value < 0 ? -value * 2 - 1 : value * 2);
  }

  #string(value: string): void {
    let index = this.#strings.get(value);
    if (index === undefined) {
      index = this.#strings.size;
      this.#strings.set(value, index);
    }
    this.#uint(index);
  }
}

function uintLength(value: number): number {
  return value < 2 ** 7 ? 1 : value < 2 ** 14 ? 2 : value < 2 ** 21 ? 3 : value < 2 ** 28 ? 4 : 5;
}
