import assert from "node:assert/strict";
import { test } from "node:test";
import { seccompFilter } from "../src/seccomp.ts";

const ALLOWED = "allowed";
const ARCHES = { x64: 0xc000003e, i386: 0x40000003, arm64: 0xc00000b7, arm: 0x40000028 };

/** What the filter says to a call: an errno, or that it is allowed. An interpreter of the five instructions it uses. */
function answer(filter: Uint8Array, arch: number, number: number, args: readonly number[]): number | string {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, arch, true);
  for (const [index, value] of args.entries()) data.setBigUint64(16 + 8 * index, BigInt(value), true);
  const program = new DataView(filter.buffer);
  let loaded = 0;
  for (let at = 0; at < filter.length; at += 8) {
    const value = program.getUint32(at + 4, true);
    const jump = (holds: boolean) => 8 * (holds ? filter[at + 2] : filter[at + 3]);
    switch (program.getUint16(at, true)) {
      case 0x20:
        loaded = data.getUint32(value, true);
        break;
      case 0x15:
        at += jump(loaded === value);
        break;
      case 0x35:
        at += jump(loaded >= value);
        break;
      case 0x45:
        at += jump((loaded & value) !== 0);
        break;
      case 0x06:
        return value === 0x7fff0000 ? ALLOWED : value & 0xffff;
      default:
        assert.fail(`instruction ${at / 8}`);
    }
  }
  return assert.fail("the filter ends");
}

const EPERM = 1;
const ENOSYS = 38;
const ENOTSUP = 95;
const O_CREAT = 0o100;
const O_TMPFILE = 0o20200000;

test("set-id bits are refused by every call that takes a mode, on every kind of machine", () => {
  const cases: readonly (readonly [keyof typeof ARCHES, number, readonly number[], number | string])[] = [
    ["x64", 90, [0, 0o4755], EPERM], // chmod
    ["x64", 90, [0, 0o1755], ALLOWED],
    ["x64", 91, [0, 0o2000], EPERM], // fchmod
    ["x64", 268, [0, 0, 0o6755], EPERM], // fchmodat
    ["x64", 452, [0, 0, 0o4755], EPERM], // fchmodat2
    ["x64", 85, [0, 0o4644], EPERM], // creat
    ["x64", 2, [0, O_CREAT, 0o4644], EPERM], // open
    ["x64", 2, [0, 0, 0o4644], ALLOWED], // without O_CREAT the mode is whatever was in the register
    ["x64", 257, [0, 0, O_TMPFILE | 2, 0o4644], EPERM], // openat
    ["x64", 257, [0, 0, O_CREAT, 0o644], ALLOWED],
    ["x64", 133, [0, 0o104644, 0], EPERM], // mknod of a regular file
    ["i386", 15, [0, 0o4755], EPERM],
    ["i386", 295, [0, 0, O_CREAT, 0o2755], EPERM],
    ["arm64", 53, [0, 0, 0o4755], EPERM],
    ["arm64", 56, [0, 0, O_CREAT, 0o4755], EPERM],
    ["arm64", 56, [0, 0, O_CREAT, 0o755], ALLOWED],
    ["arm", 15, [0, 0o4755], EPERM],
  ];
  for (const [machine, number, args, expected] of cases) {
    const filter = seccompFilter(machine.startsWith("arm") ? "arm64" : "x64");
    assert.equal(answer(filter, ARCHES[machine], number, args), expected, `${machine} ${number} ${args}`);
  }
});

test("attributes are not supported, and what a filter cannot look into is not there", () => {
  const x64 = seccompFilter("x64");
  for (const number of [188, 191, 194, 463]) assert.equal(answer(x64, ARCHES.x64, number, []), ENOTSUP);
  for (const number of [425, 426, 427, 437]) assert.equal(answer(x64, ARCHES.x64, number, []), ENOSYS);
  assert.equal(answer(x64, ARCHES.x64, 0x40000000 + 90, [0, 0o4755]), ENOSYS); // chmod of x32
  assert.equal(answer(x64, 0x1234, 1, []), ENOSYS); // no machine we know
  for (const number of [0, 1, 59, 272, 435]) assert.equal(answer(x64, ARCHES.x64, number, [0, 0o6755]), ALLOWED);
});
