/*
Regular expressions without surprises in time: an explicit-stack walk over a small program that visits each (branching state, position)
pair once, so it is linear in the text, whatever the pattern. No JavaScript RegExp is involved.

What it finds is what libstdc++ finds for `std::regex::extended`, since that is what nixpkgs was written against: of all matches at the
leftmost place the longest, and of the ways to reach it the first when trying left alternatives first and repeating as often as possible.
(POSIX proper would divide a match among groups differently: `(a|ab)(c|bcd)` on `abcd` gives a, bcd here.) A group keeps what it
matched in an earlier turn of a loop, and a loop may end with one turn that matches nothing.
*/

import type { ByteString } from "@firn/base";
import { poll } from "./machine.ts";
import { type ByteSet, parsePosixRegex, RegexFault, type RegexNode, UNBOUNDED } from "./posix-regex-parser.ts";

/** Instructions of one program; libstdc++ has the same limit on its states. */
const INSTRUCTIONS_MAX = 100_000;
/** 32-bit words of the table of visited pairs: 256 MiB. */
const VISITED_WORDS_MAX = 1 << 26;
const STEPS_PER_POLL = 1 << 16;

/** `next` is the following instruction, `arg` the byte, set number, slot or second choice; see the walk. */
const BYTE = 0;
const SET = 1;
const SPLIT = 2;
const SAVE = 3;
const START = 4;
const END = 5;
const ACCEPT = 6;

const UNSET = -1;

/** Whether and where groups matched: `[from0, to0, from1, to1, …]`, -1 for a group that did not take part; 0 is the whole match. */
export type RegexMatch = Int32Array;

export class PosixRegex {
  readonly groups: number;
  /** The text, when the pattern is nothing but a text. */
  readonly literal: ByteString | undefined;
  readonly #op: number[] = [];
  readonly #next: number[] = [];
  readonly #arg: number[] = [];
  /** By instruction: the number of a split, which is its column in the table of visited pairs. */
  readonly #splitIndex: number[] = [];
  readonly #sets: ByteSet[] = [];
  #splits = 0;
  readonly #entry: number;
  /** Bytes a match can begin with, or undefined when it can be empty. */
  readonly #first: ByteSet | undefined;
  readonly #rowWords: number;
  /** The position of the table's first row. */
  #base = 0;
  readonly #slots: Int32Array;

  /** Throws RegexFault. */
  constructor(pattern: ByteString) {
    const { root, groups } = parsePosixRegex(pattern);
    this.groups = groups;
    this.literal = literalOf(root);
    this.#entry = this.#compile(root, this.#emit(ACCEPT, 0, 0));
    this.#rowWords = Math.max(1, (this.#splits + 31) >> 5);
    this.#slots = new Int32Array(2 * (groups + 1));
    if (!root.nullable) {
      const first = new Uint8Array(256);
      addFirst(root, first);
      this.#first = first;
    }
  }

  /** Matches the whole of `text`; the result is valid until the next call. */
  matchWhole(text: ByteString): RegexMatch | undefined {
    this.#begin(0);
    return this.#walk(text, 0, true) ? this.#best : undefined;
  }

  /** The leftmost longest match at or after `from`; the result is valid until the next call. */
  search(text: ByteString, from: number): RegexMatch | undefined {
    // Pairs that did not lead to a match from one start do not from a later one, so the table is kept from start to start.
    this.#begin(from);
    const first = this.#first;
    for (let start = from; start <= text.length; start++) {
      if (first !== undefined && (start === text.length || first[text.charCodeAt(start)] === 0)) continue;
      if (this.#walk(text, start, false)) return this.#best;
    }
    return undefined;
  }

  #best: Int32Array = new Int32Array(0);

  #begin(base: number): void {
    visited.fill(0, 0, dirtyWords);
    dirtyWords = 0;
    this.#base = base;
  }

  /** Marks a pair; whether it was marked before. */
  #visit(split: number, at: number): boolean {
    const row = (at - this.#base) * this.#rowWords;
    const end = row + this.#rowWords;
    if (end > dirtyWords) {
      if (end > visited.length) growVisited(end);
      dirtyWords = end;
    }
    const word = row + (split >> 5);
    const bit = 1 << (split & 31);
    const before = visited[word];
    visited[word] = before | bit;
    return (before & bit) !== 0;
  }

  /**
   * All matches from `start`, best way first; keeps the first of the longest in #best. The stack holds (instruction, position) to go
   * on from, or (~slot, value) to put back.
   */
  #walk(text: ByteString, start: number, whole: boolean): boolean {
    const op = this.#op;
    const next = this.#next;
    const arg = this.#arg;
    const slots = this.#slots.fill(UNSET);
    const length = text.length;
    let longest = -1;
    let top = 0;
    let pc = this.#entry;
    let at = start;
    let steps = 0;
    for (;;) {
      let alive = true;
      while (alive) {
        switch (op[pc]) {
          case BYTE:
            alive = at < length && text.charCodeAt(at) === arg[pc];
            at++;
            pc = next[pc];
            break;
          case SET:
            alive = at < length && this.#sets[arg[pc]][text.charCodeAt(at)] !== 0;
            at++;
            pc = next[pc];
            break;
          case SPLIT:
            if (this.#visit(this.#splitIndex[pc], at)) alive = false;
            else {
              stack[top++] = arg[pc];
              stack[top++] = at;
              pc = next[pc];
            }
            if (++steps === STEPS_PER_POLL) {
              steps = 0;
              poll();
            }
            break;
          case SAVE: {
            const slot = arg[pc];
            stack[top++] = ~slot;
            stack[top++] = slots[slot];
            slots[slot] = at;
            pc = next[pc];
            break;
          }
          case START:
            alive = at === 0;
            pc = next[pc];
            break;
          case END:
            alive = at === length;
            pc = next[pc];
            break;
          default:
            alive = false;
            if (whole ? at === length : at > longest) {
              longest = at;
              slots[0] = start;
              slots[1] = at;
              if (this.#best.length !== slots.length) this.#best = new Int32Array(slots.length);
              this.#best.set(slots);
            }
        }
      }
      if (longest === length) return true;
      for (;;) {
        if (top === 0) return longest >= 0;
        at = stack[--top];
        pc = stack[--top];
        if (pc >= 0) break;
        slots[~pc] = at;
      }
    }
  }

  #emit(op: number, next: number, arg: number): number {
    const at = this.#op.length;
    if (at >= INSTRUCTIONS_MAX) throw new RegexFault("the pattern has too many states", true);
    this.#op.push(op);
    this.#next.push(next);
    this.#arg.push(arg);
    this.#splitIndex.push(op === SPLIT ? this.#splits++ : 0);
    return at;
  }

  /** Emits code for `node` that goes on at `next`; where it begins. */
  #compile(node: RegexNode, next: number): number {
    switch (node.kind) {
      case "byte":
        return this.#emit(BYTE, next, node.byte);
      case "set":
        return this.#emit(SET, next, this.#sets.push(node.set) - 1);
      case "start":
        return this.#emit(START, next, 0);
      case "end":
        return this.#emit(END, next, 0);
      case "sequence":
        return node.items.reduceRight((after, item) => this.#compile(item, after), next);
      case "choice":
        return node.branches
          .map((branch) => this.#compile(branch, next))
          .reduceRight((rest, branch) => this.#emit(SPLIT, branch, rest));
      case "group": {
        const body = this.#compile(node.body, this.#emit(SAVE, next, 2 * node.index + 1));
        return this.#emit(SAVE, body, 2 * node.index);
      }
      case "repeat": {
        let entry = next;
        if (node.max === UNBOUNDED) entry = this.#loop(node.body, next);
        // Each of the optional turns may be the last.
        else
          for (let turn = node.min; turn < node.max; turn++)
            entry = this.#emit(SPLIT, this.#compile(node.body, entry), next);
        for (let turn = 0; turn < node.min; turn++) entry = this.#compile(node.body, entry);
        return entry;
      }
    }
  }

  /** Any number of turns of `body`; a turn that consumes nothing is the last one. */
  #loop(body: RegexNode, next: number): number {
    const head = this.#emit(SPLIT, 0, next);
    this.#next[head] = this.#compileTracked(body, head, next);
    return head;
  }

  /**
   * Like #compile, but goes on at `consumed` when the node took at least one byte and at `empty` when it took none. Only what is
   * nullable is doubled for it.
   */
  #compileTracked(node: RegexNode, consumed: number, empty: number): number {
    if (!node.nullable) return this.#compile(node, consumed);
    switch (node.kind) {
      case "sequence":
        return this.#trackedSequence(node.items, consumed, empty);
      case "choice":
        return node.branches
          .map((branch) => this.#compileTracked(branch, consumed, empty))
          .reduceRight((rest, branch) => this.#emit(SPLIT, branch, rest));
      case "group": {
        const close = 2 * node.index + 1;
        const body = this.#compileTracked(node.body, this.#emit(SAVE, consumed, close), this.#emit(SAVE, empty, close));
        return this.#emit(SAVE, body, 2 * node.index);
      }
      case "repeat": {
        let afterByte = consumed;
        let entry = empty;
        if (node.max === UNBOUNDED) {
          afterByte = this.#loop(node.body, consumed);
          entry = this.#emit(SPLIT, this.#compileTracked(node.body, afterByte, empty), empty);
        } else {
          for (let turn = node.min; turn < node.max; turn++) {
            entry = this.#emit(SPLIT, this.#compileTracked(node.body, afterByte, entry), empty);
            afterByte = this.#emit(SPLIT, this.#compile(node.body, afterByte), consumed);
          }
        }
        for (let turn = 0; turn < node.min; turn++) {
          entry = this.#compileTracked(node.body, afterByte, entry);
          afterByte = this.#compile(node.body, afterByte);
        }
        return entry;
      }
      default: // an anchor
        return this.#compile(node, empty);
    }
  }

  #trackedSequence(items: readonly RegexNode[], consumed: number, empty: number): number {
    let afterByte = consumed;
    let entry = empty;
    for (let i = items.length - 1; i >= 0; i--) {
      entry = this.#compileTracked(items[i], afterByte, entry);
      if (i > 0) afterByte = this.#compile(items[i], afterByte);
    }
    return entry;
  }
}

// One stack and one table for all walks, which never nest.
const stack: number[] = [];
/** A row of bits for each position from the base on, a bit for each split. */
let visited = new Uint32Array(1024);
/** How many words, from the first, may have bits set. */
let dirtyWords = 0;

function growVisited(words: number): void {
  if (words > VISITED_WORDS_MAX) throw new RegexFault("the text is too long for this pattern", true);
  const larger = new Uint32Array(Math.min(VISITED_WORDS_MAX, 2 * words));
  larger.set(visited);
  visited = larger;
}

function literalOf(node: RegexNode): ByteString | undefined {
  if (node.kind === "byte") return String.fromCharCode(node.byte);
  if (node.kind !== "sequence" || node.items.length === 0) return undefined;
  let text = "";
  for (const item of node.items) {
    if (item.kind !== "byte") return undefined;
    text += String.fromCharCode(item.byte);
  }
  return text;
}

/** Adds the bytes a match of `node` can begin with. */
function addFirst(node: RegexNode, first: ByteSet): void {
  switch (node.kind) {
    case "byte":
      first[node.byte] = 1;
      return;
    case "set":
      for (let byte = 0; byte < 256; byte++) first[byte] |= node.set[byte];
      return;
    case "sequence":
      for (const item of node.items) {
        addFirst(item, first);
        if (!item.nullable) return;
      }
      return;
    case "choice":
      for (const branch of node.branches) addFirst(branch, first);
      return;
    case "group":
      addFirst(node.body, first);
      return;
    case "repeat":
      if (node.max !== 0) addFirst(node.body, first);
      return;
    default: // an anchor takes no byte
  }
}
