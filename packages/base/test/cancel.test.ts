import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { abortable, pause } from "@firn/base";

const unhandled: unknown[] = [];
const note = (reason: unknown) => unhandled.push(reason);
before(() => process.on("unhandledRejection", note));
after(() => process.off("unhandledRejection", note));
const turns = async () => {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
};

test("what a signal that fired already is waited with rejects with its reason", async () => {
  await assert.rejects(abortable(Promise.resolve(1), AbortSignal.abort(new Error("gone"))), /gone/);
});

test("work that fails after its caller left is no unhandled rejection", async () => {
  for (const signal of [AbortSignal.abort(new Error("gone")), AbortSignal.timeout(0)]) {
    const work = Promise.withResolvers<never>();
    const waiting = abortable(work.promise, signal);
    await assert.rejects(waiting);
    work.reject(new Error("failed late"));
  }
  await turns();
  assert.deepEqual(unhandled, []);
});

test("a pause that is left keeps no timer", async () => {
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  const before = timers();
  const leaving = new AbortController();
  const waiting = pause(60_000, leaving.signal);
  assert.equal(timers(), before + 1);
  leaving.abort(new Error("left"));
  await assert.rejects(waiting, /left/);
  assert.equal(timers(), before);
  await pause(0);
});
