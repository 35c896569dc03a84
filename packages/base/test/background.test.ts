/* Work in the background: how much of it runs, and where its failures are heard of. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Background } from "@firn/base";

test("no more runs at a time than was said, however many add to it", async () => {
  const background = new Background(3);
  let running = 0;
  let most = 0;
  let done = 0;
  const work = async () => {
    most = Math.max(most, ++running);
    await new Promise(setImmediate);
    running--;
    done++;
  };
  await Promise.all(Array.from({ length: 20 }, () => background.add(work)));
  assert.ok(done < 20, "the last are still under way");
  await background.settle();
  assert.deepEqual([done, most], [20, 3]);
});

test("the first failure is what is thrown, by all that ask from then on, and nothing new begins", async () => {
  const background = new Background(2);
  const goOn = Promise.withResolvers<void>();
  let ended = 0;
  await background.add(async () => {
    await goOn.promise;
    ended++;
    throw new Error("second");
  });
  await background.add(() => Promise.reject(new Error("first")));
  await assert.rejects(
    background.add(() => assert.fail("begun after a failure")),
    { message: "first" },
  );
  assert.throws(() => background.check(), { message: "first" });
  const ending = background.end().then(() => ended);
  goOn.resolve();
  assert.equal(await ending, 1, "what runs is waited for");
  await assert.rejects(background.settle(), { message: "first" });
});

test("what throws before it gives a promise has failed as well", async () => {
  const background = new Background(1);
  await background.add(() => {
    throw new Error("at once");
  });
  await assert.rejects(background.settle(), { message: "at once" });
});
