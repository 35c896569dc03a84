/* What clients of the daemon hear of builds, in versions with activities and without, and when they do not listen. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ByteSource, concatBytes, streamOf } from "@firn/base";
import { invalidMessage, readWorkerLogFrame, WireReader, WORKER_LEVEL, type WorkerLogFrame } from "@firn/nix-compat";
import { DaemonLog } from "../src/daemon-log.ts";

const drvPath = `/nix/store/${"d".repeat(32)}-x.drv`;
const counts = { planned: 1, running: 1, done: 0, failed: 0 };

/** A log, what was pushed to it as frames, and how much its client has not taken. */
function heard(version: number) {
  const session = { version, features: new Set<string>(), storeDir: "/nix/store" };
  const pushed: Uint8Array[] = [];
  const channel = { unsentBytes: 0, push: (bytes: Uint8Array) => void pushed.push(bytes) };
  const frames = async () => {
    const from = new WireReader(new ByteSource(streamOf(concatBytes(pushed))), invalidMessage);
    const found: WorkerLogFrame[] = [];
    while (!(await from.atEnd())) found.push(await readWorkerLogFrame(from, session));
    return found;
  };
  return { log: new DaemonLog(channel, session), channel, frames };
}

describe("the daemon's log", () => {
  test("shows a build as an activity with lines, and ends what is going on", async () => {
    const { log, frames } = heard(34);
    log.build({ type: "planned", counts });
    log.build({ type: "started", drvPath, counts });
    log.build({ type: "log", drvPath, line: "a line" });
    log.endBuilds();
    assert.deepEqual(
      (await frames()).map((frame) => [frame.type, "id" in frame ? frame.id : undefined]),
      [
        ["start", 1n],
        ["result", 1n],
        ["start", 2n],
        ["result", 1n],
        ["result", 2n],
        ["stop", 2n],
        ["stop", 1n],
      ],
    );
  });

  test("is lines alone for clients that know no activities", async () => {
    const { log, frames } = heard(19);
    log.build({ type: "planned", counts });
    log.build({ type: "started", drvPath, counts });
    log.build({ type: "log", drvPath, line: "a line" });
    log.build({ type: "finished", drvPath, counts });
    log.endBuilds();
    assert.deepEqual(await frames(), [
      { type: "message", text: `building '${drvPath}'...\n` },
      { type: "message", text: "a line\n" },
    ]);
  });

  test("is as loud as the client asked for", async () => {
    const { log, frames } = heard(34);
    log.level = WORKER_LEVEL.error;
    log.warn("not heard");
    log.say(WORKER_LEVEL.error, "heard");
    assert.deepEqual(await frames(), [{ type: "message", text: "heard\n" }]);
  });

  test("leaves lines out for a client that does not listen, and says how many", async () => {
    const { log, channel, frames } = heard(34);
    log.build({ type: "started", drvPath, counts });
    channel.unsentBytes = 1 << 30;
    for (let i = 0; i < 1000; i++) log.build({ type: "log", drvPath, line: `line ${i}` });
    assert.equal((await frames()).length, 1);
    channel.unsentBytes = 0;
    log.build({ type: "log", drvPath, line: "the last" });
    const [, warning, line] = await frames();
    assert.match((warning as { text: string }).text, /^warning: 1000 lines of output were left out/);
    assert.deepEqual((line as { fields: unknown }).fields, ["the last"]);
  });
});
