/* The ways a writer of pieces can end: each of them once, and none of them with a blob that lacks something. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EMPTY_DIGEST, PieceWriter } from "@firn/castore";

/** A writer whose parts say what was asked of them, and fail where they are told to. */
function recorded(failing: "append" | "finish" | undefined, signal?: AbortSignal) {
  const calls: string[] = [];
  const part = (name: "append" | "finish" | "discard") => async () => {
    calls.push(name);
    if (name === failing) throw new Error(`${name} failed`);
    return EMPTY_DIGEST;
  };
  const append = part("append");
  const discard = part("discard");
  const parts = {
    append: async () => void (await append()),
    finish: part("finish"),
    discard: async () => void (await discard()),
  };
  return { writer: new PieceWriter(parts, signal), calls };
}

describe("a writer of pieces", () => {
  test("whose write failed has forgotten all, and cannot be closed", async () => {
    const { writer, calls } = recorded("append");
    await assert.rejects(writer.write(new Uint8Array(3)), { message: "append failed" });
    await assert.rejects(writer.write(new Uint8Array(3)), { code: "closed" });
    await assert.rejects(writer.close(), { code: "closed" });
    await writer.abort();
    assert.deepEqual(calls, ["append", "discard"]);
  });

  test("that could not finish has forgotten all, and says the same when it is closed again", async () => {
    const { writer, calls } = recorded("finish");
    await writer.write(new Uint8Array(3));
    await assert.rejects(writer.close(), { message: "finish failed" });
    await assert.rejects(writer.close(), { message: "finish failed" });
    await writer.abort();
    assert.deepEqual(calls, ["append", "finish", "discard"]);
  });

  test("that was closed yields the same digest again, takes no more, and keeps what it stored when it is aborted", async () => {
    const { writer, calls } = recorded(undefined);
    await writer.write(new Uint8Array(3));
    assert.equal(await writer.close(), EMPTY_DIGEST);
    assert.equal(await writer.close(), EMPTY_DIGEST);
    await assert.rejects(writer.write(new Uint8Array(3)), { code: "closed" });
    await writer.abort();
    assert.deepEqual(calls, ["append", "finish"]);
  });

  test("whose signal is aborted throws its reason, and forgets all when it is closed", async () => {
    const stop = new AbortController();
    const { writer, calls } = recorded(undefined, stop.signal);
    await writer.write(new Uint8Array(3));
    stop.abort(new Error("enough"));
    await assert.rejects(writer.write(new Uint8Array(3)), { message: "enough" });
    await assert.rejects(writer.close(), { message: "enough" });
    assert.deepEqual(calls, ["append", "discard"]);
  });
});
