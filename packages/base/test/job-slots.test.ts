import assert from "node:assert/strict";
import { test } from "node:test";
import { JobSlots } from "@firn/base";

const never = new AbortController().signal;

test("places are given by urgency, and among equals in the order they were asked for", async () => {
  const slots = new JobSlots(1);
  await slots.take(never);
  const order: string[] = [];
  const taking = Object.entries({ a: 1, b: 5, c: 5, d: 2 }).map(async ([name, urgency]) => {
    await slots.take(never, urgency);
    order.push(name);
    slots.release();
  });
  slots.release();
  await Promise.all(taking);
  assert.deepEqual(order, ["b", "c", "d", "a"]);
});

test("one who leaves while he waits takes nobody's place", async () => {
  const slots = new JobSlots(1);
  await slots.take(never);
  const leaving = new AbortController();
  const left = assert.rejects(slots.take(leaving.signal), /left/);
  const stays = slots.take(never);
  leaving.abort(new Error("left"));
  await left;
  slots.release();
  await stays;
});

test("one who leaves just after he was given a place has it, and those behind still wait for theirs", async () => {
  const slots = new JobSlots(1);
  await slots.take(never);
  const leaving = new AbortController();
  const first = slots.take(leaving.signal, 2);
  let isSecond = false;
  const second = slots.take(never, 1).then(() => {
    isSecond = true;
  });
  slots.release();
  leaving.abort(new Error("too late"));
  await first;
  assert.equal(isSecond, false);
  slots.release();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isSecond, true);
  await second;
});
