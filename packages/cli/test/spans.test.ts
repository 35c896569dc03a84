/* Spans of a server, to a provider that only writes down their names. */

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { digestOf, MemoryBlobs, MemoryDirectories } from "@firn/castore";
import { MemoryPathInfos } from "@firn/store";
import { type Span, type Tracer, trace } from "@opentelemetry/api";
import { areSpansRecorded, callSpans, withSpans } from "../src/server/spans.ts";

const ended: { readonly name: string; readonly isFailed: boolean }[] = [];

function startSpan(name: string): Span {
  let isFailed = false;
  const span = {
    isRecording: () => true,
    setAttribute: () => span,
    recordException: () => {
      isFailed = true;
    },
    setStatus: () => span,
    end: () => void ended.push({ name, isFailed }),
    spanContext: () => ({ traceId: "1".repeat(32), spanId: "2".repeat(16), traceFlags: 1 }),
  };
  return span as unknown as Span;
}

const tracer = {
  startSpan,
  startActiveSpan: (name: string, _options: unknown, _context: unknown, run: (span: Span) => unknown) =>
    run(startSpan(name)),
} as unknown as Tracer;

after(() => trace.disable());

test("nothing is recorded unless somebody records", () => {
  assert.equal(areSpansRecorded(), false);
});

test("each call, and each call of a service, is a span that ends, failed ones as such", async () => {
  trace.setGlobalTracerProvider({ getTracer: () => tracer });
  assert.equal(areSpansRecorded(), true);
  ended.length = 0;
  const store = withSpans({
    blobs: new MemoryBlobs(),
    directories: new MemoryDirectories(),
    pathInfos: new MemoryPathInfos(),
  });
  const bytes = new Uint8Array(10);
  await callSpans(
    "/a.Service/Method",
    () => undefined,
    async () => {
      await store.blobs.put(bytes);
      await using reader = await store.blobs.openRead(digestOf(bytes));
      assert.ok(reader);
      for await (const _ of reader.stream());
    },
  );
  const reason = new Error("no");
  await assert.rejects(
    callSpans(
      "/a.Service/Bad",
      () => undefined,
      () => Promise.reject(reason),
    ),
    reason,
  );
  assert.deepEqual(ended, [
    { name: "blobs.put", isFailed: false },
    { name: "blobs.openRead", isFailed: false },
    { name: "blobs.read", isFailed: false },
    { name: "a.Service/Method", isFailed: false },
    { name: "a.Service/Bad", isFailed: true },
  ]);
});
