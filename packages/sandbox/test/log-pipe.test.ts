import assert from "node:assert/strict";
import { lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { LogPipes } from "../src/log-pipe.ts";

const work = mkdtempSync(join(tmpdir(), "firn-pipes-"));
after(() => rmSync(work, { recursive: true }));

test("pipes are made in numbers, each is used once, and others that look there find the rest", async () => {
  const dir = join(work, "pipes");
  const opened = await Promise.all(
    [new LogPipes(dir), new LogPipes(dir)].map(async (pipes, index) => {
      const pipe = await pipes.open(join(work, `log-${index}`));
      const read: number[] = [];
      const ended = pipe.read((bytes) => read.push(...bytes));
      writeFileSync(join(work, `log-${index}`), `of ${index}`);
      pipe.opened();
      await ended;
      return Buffer.from(read).toString();
    }),
  );
  assert.deepEqual(opened, ["of 0", "of 1"]);
  assert.deepEqual(readdirSync(work), ["pipes"]);
  const left = readdirSync(dir);
  assert.ok(left.length > 0 && left.every((name) => lstatSync(join(dir, name)).isFIFO()));
  const pipe = await new LogPipes(dir).open(join(work, "log"));
  assert.equal(readdirSync(dir).length, left.length - 1);
  const ended = pipe.read(() => undefined);
  pipe.close();
  await ended;
});
