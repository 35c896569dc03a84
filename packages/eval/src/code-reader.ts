/*
Bytes back to code, piece by piece: what was written with its length becomes a stub that reads itself when it is first run, in place, so
that whoever holds the stub holds the instruction. Most of a source is never read that way.

The bytes must have passed a check before (code-cache.ts); this trusts them.
*/

import { byteStringOf } from "@firn/base";
import { makeInt } from "./arithmetic.ts";
import { Attrs } from "./attrs.ts";
import type { CodePlace } from "./code-place.ts";
import { CHILD, CONSTANT } from "./code-writer.ts";
import { defineOperation, Instruction, OPERATIONS } from "./instruction.ts";
import { intern } from "./intern.ts";
import { type FormalCode, LambdaCode } from "./lambda.ts";
import type { PathStep } from "./ops-sets.ts";
import { Shape } from "./shape.ts";
import { NixFloat, type Value } from "./value.ts";

/** The code in `bytes`, for a source at `place`. Keeps `bytes`. */
export function decodeCode(bytes: Uint8Array, place: CodePlace): Instruction {
  return new CodeReader(bytes, place).root();
}

const STUB = defineOperation(
  "stub",
  [
    ["number", "offset"],
    ["number", "position around"],
    ["cache", "reader"],
  ],
  "Code that was not read yet; running it reads it and runs that.",
  (i, env) => {
    (i.c as CodeReader).expand(i);
    return i.ev(i, env);
  },
);

class CodeReader {
  readonly #bytes: Uint8Array;
  readonly #place: CodePlace;
  readonly #strings: string[] = [];
  /** All strings' bytes as one string, and where each starts. */
  readonly #text: string;
  readonly #starts: Int32Array;
  #at = 0;

  constructor(bytes: Uint8Array, place: CodePlace) {
    this.#bytes = bytes;
    this.#place = place;
    const count = this.#uint();
    const starts = new Int32Array(count + 1);
    for (let n = 0; n < count; n++) starts[n + 1] = starts[n] + this.#uint();
    this.#starts = starts;
    this.#text = byteStringOf(bytes, this.#at, this.#at + starts[count]);
    this.#at += starts[count];
  }

  root(): Instruction {
    return this.#instruction(this.#place.origin.base);
  }

  /** Turns a stub into what it stands for. */
  expand(stub: Instruction): void {
    const at = this.#at;
    this.#at = stub.a;
    const around: number = stub.b;
    stub.d = null;
    stub.e = 0;
    this.#fill(stub, around);
    this.#at = at;
  }

  #instruction(around: number): Instruction {
    const i = new Instruction(STUB, 0);
    this.#fill(i, around);
    return i;
  }

  #fill(i: Instruction, around: number): void {
    const operation = OPERATIONS[this.#bytes[this.#at++]];
    const pos = around + this.#int();
    i.op = operation.number;
    i.pos = pos;
    const { operands } = operation;
    for (let n = 0; n < operands.length; n++) {
      const operand = this.#operand(operands[n][0], pos);
      if (n === 0) i.a = operand;
      else if (n === 1) i.b = operand;
      else if (n === 2) i.c = operand;
      else if (n === 3) i.d = operand ?? null;
      else i.e = operand ?? 0;
    }
    operation.link?.(i, this.#place);
    i.ev = operation.ev;
    i.th = operation.th;
  }

  #operand(kind: string, pos: number): unknown {
    switch (kind) {
      case "code":
        return this.#child(pos);
      case "codes": {
        const count = this.#uint();
        const codes: (Instruction | null)[] = [];
        for (let n = 0; n < count; n++) codes.push(this.#child(pos));
        return codes;
      }
      case "name":
        return this.#string();
      case "const":
        return this.#constant();
      case "number":
        return this.#uint();
      case "numbers": {
        const count = this.#uint();
        const numbers: number[] = [];
        for (let n = 0; n < count; n++) numbers.push(this.#uint());
        return numbers;
      }
      case "path": {
        const count = this.#uint();
        const steps: PathStep[] = [];
        for (let n = 0; n < count; n++) steps.push(this.#child(pos) ?? this.#string());
        return steps;
      }
      case "shape":
        return this.#shape(pos);
      case "lambda":
        return this.#lambda(pos);
      default:
        return undefined;
    }
  }

  #child(around: number): Instruction | null {
    const tag = this.#bytes[this.#at++];
    if (tag === CHILD.inline) return this.#instruction(around);
    if (tag === CHILD.none) return null;
    const length = this.#uint();
    const stub = new Instruction(STUB, 0, this.#at, around, this);
    this.#at += length;
    return stub;
  }

  #shape(around: number): Shape {
    const count = this.#uint();
    const names: string[] = [];
    const positions: number[] = [];
    let pos = around;
    for (let n = 0; n < count; n++) {
      names.push(this.#string());
      pos += this.#int();
      positions.push(pos);
    }
    return new Shape(names, positions);
  }

  #lambda(around: number): LambdaCode {
    const arity = this.#uint();
    const pos = around + this.#int();
    const name = this.#string();
    const argNames: string[] = [];
    for (let n = this.#uint(); n > 0; n--) argNames.push(this.#string());
    const innerPositions: number[] = [];
    for (let n = 1; n < arity; n++) innerPositions.push(pos + this.#int());
    const flags = this.#bytes[this.#at++];
    let formals: FormalCode[] | null = null;
    if ((flags & 1) !== 0) {
      formals = [];
      for (let n = this.#uint(); n > 0; n--) {
        const formal = this.#string();
        const formalPos = pos + this.#int();
        formals.push({ name: formal, pos: formalPos, fallback: this.#child(pos) });
      }
    }
    const body = this.#child(pos) as Instruction;
    return new LambdaCode({
      arity,
      formals,
      ellipsis: (flags & 2) !== 0,
      named: (flags & 4) !== 0,
      body,
      pos,
      innerPositions,
      name,
      argNames,
    });
  }

  #constant(): Value {
    switch (this.#bytes[this.#at++]) {
      case CONSTANT.true:
        return true;
      case CONSTANT.false:
        return false;
      case CONSTANT.int:
        return this.#uint();
      case CONSTANT.bigint:
        return makeInt(BigInt(this.#string()));
      case CONSTANT.float:
        return new NixFloat(Number(this.#string()));
      case CONSTANT.string:
        return this.#string();
      case CONSTANT.list:
        return [];
      case CONSTANT.attrs:
        return Attrs.EMPTY;
      default:
        return null;
    }
  }

  // Numbers and strings

  #uint(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.#at++];
    if (byte < 128) return byte;
    let value = byte & 127;
    for (let shift = 7; ; shift += 7) {
      byte = bytes[this.#at++];
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  }

  #int(): number {
    const value = this.#uint();
    return (value & 1) === 0 ? value / 2 : -(value + 1) / 2;
  }

  #string(): string {
    const index = this.#uint();
    const known = this.#strings[index];
    if (known !== undefined) return known;
    const string = intern(this.#text.slice(this.#starts[index], this.#starts[index + 1]));
    this.#strings[index] = string;
    return string;
  }
}
