/* Closures as one file: taken in whole by any store, each content once, cut and damaged ones refused, and gone on with. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { byteStringOf } from "@firn/base";
import { digestOf } from "@firn/castore";
import { calculateNar, exportClosure, importClosure, needPathInfo } from "@firn/store";
import fc from "fast-check";
import { chainStore, memoryStore, pathOf } from "./small-store.ts";

const options = { registeredAt: 7 };
async function* cutInto(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
const archiveOf = async (...letters: string[]) =>
  new Uint8Array(Buffer.concat(await Array.fromAsync(exportClosure(letters.map(pathOf), await chainStore()))));

describe("an archive", () => {
  test("is taken in wherever it is cut into chunks, and gives the same archive again", async () => {
    const archive = await archiveOf("d");
    for (const size of [1, 13, 4096, archive.length]) {
      const to = memoryStore();
      const paths = await importClosure(cutInto(archive, size), to, options);
      assert.deepEqual(
        paths.map(({ name }) => name),
        ["name-a", "name-b", "name-c", "name-d"],
      );
      assert.equal((await needPathInfo(pathOf("d"), to.pathInfos)).registeredAt, 7);
      const again = Buffer.concat(await Array.fromAsync(exportClosure([pathOf("d")], to)));
      assert.equal(byteStringOf(again).replaceAll('"registeredAt":7', '"registeredAt":1'), byteStringOf(archive));
    }
  });

  test("is the published one for one file", async () => {
    const services = await chainStore();
    const archive = Buffer.concat(await Array.fromAsync(exportClosure([], services)));
    assert.equal(archive.toString("latin1"), "firn closure 1\nE\0\0\0\0\0\0\0\0");
    const whole = byteStringOf(await archiveOf("d"));
    const contents = `uses ${pathOf("c")}`;
    const digest = Buffer.from(digestOf(new TextEncoder().encode(contents)), "hex").toString("latin1");
    assert.ok(whole.includes(`B${String.fromCharCode(contents.length)}\0\0\0\0\0\0\0${digest}${contents}P`));
    assert.ok(whole.endsWith("E\x04\0\0\0\0\0\0\0"));
  });

  test("holds each content once", async () => {
    const text = byteStringOf(await archiveOf("d"));
    assert.equal(text.split("shared").length, 2);
    assert.equal(text.split("\x01".repeat(5000)).length, 2);
  });

  test("goes on where a cut one ended", async () => {
    const archive = await archiveOf("d");
    const to = memoryStore();
    const half = archive.subarray(0, archive.length - 600);
    await assert.rejects(importClosure(cutInto(half, 1000), to, options), {
      code: "malformed",
      message: /in the middle/,
    });
    const kept = (await Array.fromAsync(to.pathInfos.list())).length;
    assert.ok(kept > 0 && kept < 4);
    await importClosure(cutInto(archive, 1000), to, options);
    assert.equal((await Array.fromAsync(to.pathInfos.list())).length, 4);
  });

  test("is refused by who asks for signatures, before anything is registered", async () => {
    const to = memoryStore();
    const check = async () => {
      throw new Error("unsigned");
    };
    await assert.rejects(importClosure(cutInto(await archiveOf("a"), 99), to, { ...options, check }), {
      message: "unsigned",
    });
    assert.deepEqual(await Array.fromAsync(to.pathInfos.list()), []);
  });

  test("that is damaged registers nothing wrong", async () => {
    const archive = await archiveOf("c");
    await fc.assert(
      fc.asyncProperty(fc.nat(archive.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const damaged = new Uint8Array(archive);
        damaged[at] ^= flip;
        const to = memoryStore();
        try {
          await importClosure(cutInto(damaged, 777), to, options);
        } catch (thrown) {
          assert.match(
            String((thrown as { code?: string }).code),
            /^(malformed|mismatch|corrupt|missing|conflict|limit|invalid-)/,
          );
        }
        // Names, references and times are covered by signatures only; contents are always what the path says.
        for await (const info of to.pathInfos.list()) {
          const { narSha256, narSize } = await calculateNar(info.node, to);
          assert.deepEqual([narSha256, narSize], [info.narSha256, info.narSize]);
        }
      }),
      { numRuns: 150 },
    );
  });

  const refused: [string, string][] = [
    ["nothing", ""],
    ["something else", "firn closure 2\nE\0\0\0\0\0\0\0\0"],
    ["a wrong count", "firn closure 1\nE\x01\0\0\0\0\0\0\0"],
    ["something after the end", "firn closure 1\nE\0\0\0\0\0\0\0\0x"],
    ["an unknown record", "firn closure 1\nX\0\0\0\0\0\0\0\0"],
    ["a huge record", "firn closure 1\nP\0\0\0\0\0\0\0\xff"],
    ["a directory longer than any", "firn closure 1\nD\0\0\0\xff\0\0\0\0"],
    ["no end", "firn closure 1\n"],
  ];
  for (const [what, text] of refused) {
    test(`is refused with ${what}`, async () => {
      await assert.rejects(importClosure(cutInto(Buffer.from(text, "latin1"), 5), memoryStore(), options), {
        code: "malformed",
      });
    });
  }
});
