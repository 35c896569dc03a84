/* What is shown of builds under way, on a terminal and elsewhere. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { type BuildEvent, GlueError } from "@firn/glue";
import { BuildProgress } from "../src/build-progress.ts";
import { Output } from "../src/output.ts";
import { captured } from "./fake-session.ts";

const counts = (done: number, running: number, failed = 0) => ({ planned: 3, running, done, failed });
const a = { drvPath: "/nix/store/a.drv", name: "a" };
const b = { drvPath: "/nix/store/b.drv", name: "b" };
const planned: BuildEvent = {
  type: "planned",
  derivations: [
    { ...a, dependencies: [] },
    { ...b, dependencies: [] },
  ],
  counts: counts(0, 0),
};
const started = (one: typeof a): BuildEvent => ({ type: "started", ...one, counts: counts(0, 1) });
const log = (one: typeof a, line: string): BuildEvent => ({ type: "log", ...one, line });
const finished = (one: typeof a): BuildEvent => ({
  type: "finished",
  ...one,
  outputs: new Map(),
  counts: counts(1, 0),
});

function progressOn(isTerminal: boolean, options = { quiet: false, printLogs: false }, noColor = false) {
  const stderr = captured(isTerminal, 40);
  return { stderr, progress: new BuildProgress(new Output(captured(), stderr, { noColor }), options) };
}

describe("progress off a terminal", () => {
  test("names what is built and prints what builders say, byte for byte", () => {
    const { stderr, progress } = progressOn(false);
    for (const event of [planned, started(a), log(a, "caf\xc3\xa9"), log(a, "\x1b[31mred"), finished(a)])
      progress.take(event);
    progress.end();
    assert.equal(stderr.text(), "building 2 derivations\nbuilding '/nix/store/a.drv'\na> café\na> \x1b[31mred\n");
  });

  test("has no control sequences of ours", () => {
    const { stderr, progress } = progressOn(false);
    for (const event of [planned, started(a), log(a, "x"), finished(a)]) progress.take(event);
    progress.end();
    assert(!stderr.text().includes("\x1b"));
  });

  test("is nothing when it is to be quiet", () => {
    const { stderr, progress } = progressOn(false, { quiet: true, printLogs: false });
    for (const event of [planned, started(a), log(a, "x"), finished(a)]) progress.take(event);
    progress.end();
    assert.equal(stderr.text(), "");
  });
});

describe("progress on a terminal", () => {
  test("is a block that is drawn over and taken away at the end", (t) => {
    t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
    const { stderr, progress } = progressOn(true);
    for (const event of [planned, started(a), log(a, "compiling\tx")]) progress.take(event);
    t.mock.timers.tick(100);
    assert.equal(
      stripVTControlCharacters(stderr.text()),
      "  a 0s  compiling  x\nbuilding: 0 of 2 done, 1 running, 1 waiting\n",
    );
    progress.take(started(b));
    t.mock.timers.tick(100);
    progress.end();
    const raised = stderr.text().split("\x1b[1A").length - 1;
    assert.equal(raised, 2 + 3, "every line drawn was taken back");
    assert(stderr.text().endsWith("\x1b[1A\x1b[2K"));
  });

  test("tells what waits for what, what failed, and how long it took before", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
    const stderr = captured(true, 60);
    const options = { quiet: false, printLogs: false };
    const progress = new BuildProgress(new Output(captured(), stderr, { noColor: false }), options, async () => 75_000);
    const top = { drvPath: "/nix/store/top.drv", name: "top", dependencies: [a.drvPath, b.drvPath] };
    progress.take({
      type: "planned",
      counts: counts(0, 0),
      derivations: [{ ...a, dependencies: [] }, { ...b, dependencies: [] }, top],
    });
    for (const event of [started(a), started(b)]) progress.take(event);
    await Promise.resolve();
    const error = new GlueError("build-failed", "no");
    progress.take({ type: "failed", ...b, error, counts: counts(0, 1, 1) });
    t.mock.timers.tick(100);
    progress.end();
    const text = stripVTControlCharacters(stderr.text());
    assert.equal(
      text,
      "  top waiting\n  ├─ a 0s of 1m15s\n  └─ b failed\nbuilding: 0 of 3 done, 1 running, 1 waiting, 1 failed\n",
    );
  });

  test("lets time pass without events", (t) => {
    t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
    const { stderr, progress } = progressOn(true);
    progress.take(planned);
    progress.take(started(a));
    for (const ms of [100, 1000, 1000]) t.mock.timers.tick(ms);
    assert.match(stripVTControlCharacters(stderr.text()), /a 0s[\s\S]*a 1s[\s\S]*a 2s/);
    progress.end();
  });

  test("shows nothing of a builder that would move the cursor, and no line longer than the screen", (t) => {
    t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
    const { stderr, progress } = progressOn(true);
    progress.take(planned);
    progress.take(started(a));
    progress.take(log(a, `\x1b[2J\x1b]0;title\x07\x08\rtext ${"long ".repeat(40)}`));
    t.mock.timers.tick(100);
    const [row] = stripVTControlCharacters(stderr.text()).split("\n");
    assert.match(row, /^ {2}a 0s {2}text long/);
    assert(row.length <= 40, row);
    assert(!stderr.text().includes("\x1b[2J") && !stderr.text().includes("title"));
    progress.end();
  });

  test("prints logs above the block when asked", (t) => {
    t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
    const { stderr, progress } = progressOn(true, { quiet: false, printLogs: true });
    progress.take(started(a));
    t.mock.timers.tick(100);
    progress.take(log(a, "said"));
    progress.end();
    assert.match(stripVTControlCharacters(stderr.text()), /a> said\n$/);
  });

  test("is plain lines where colours are forbidden", () => {
    const { stderr, progress } = progressOn(true, { quiet: false, printLogs: false }, true);
    for (const event of [planned, started(a), log(a, "\x1b[2Jx"), finished(a)]) progress.take(event);
    progress.end();
    assert.equal(stderr.text(), "building 2 derivations\nbuilding '/nix/store/a.drv'\na> x\n");
  });
});
