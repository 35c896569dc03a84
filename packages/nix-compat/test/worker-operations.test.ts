/* Every request and reply of the worker protocol, in every version: read as written, refused when cut or too long, and a few in bytes. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FirnError } from "@firn/base";
import {
  NixCompatError,
  WireWriter,
  WORKER_OPERATIONS,
  type WorkerCodec,
  workerOperation,
  type WorkerOperationName,
  type WorkerSession,
} from "@firn/nix-compat";
import { A, DRV, readerOf, SAMPLES, sessionOf, SESSIONS } from "./worker.ts";

type Part = { readonly what: string; readonly codec: WorkerCodec<unknown>; readonly value: unknown };

function partsOf(name: WorkerOperationName, session: WorkerSession): readonly Part[] {
  const { request, reply } = WORKER_OPERATIONS[name];
  const [sampleRequest, sampleReply] = SAMPLES[name];
  return [
    { what: "request", codec: request as WorkerCodec<unknown>, value: sampleRequest(session) },
    { what: "reply", codec: reply as WorkerCodec<unknown>, value: sampleReply(session) },
  ];
}

function written(codec: WorkerCodec<unknown>, value: unknown, session: WorkerSession): Uint8Array {
  const to = new WireWriter();
  codec.write(to, value, session);
  return to.take();
}

/** What the expression writes, in tokens: numbers and strings. */
function tokens(...items: readonly (number | string)[]): Uint8Array {
  const to = new WireWriter();
  for (const item of items) {
    if (typeof item === "number") to.integer(item);
    else to.text(item);
  }
  return to.take();
}

describe("the operations of the worker protocol", () => {
  for (const name of Object.keys(SAMPLES) as WorkerOperationName[]) {
    test(`${name} is read as it was written, in every version, and nothing is left`, async () => {
      for (const session of SESSIONS) {
        for (const { what, codec, value } of partsOf(name, session)) {
          const bytes = written(codec, value, session);
          const reader = readerOf(bytes);
          assert.deepEqual(await codec.read(reader, session), value, `${what} in 1.${session.version}`);
          assert.equal(await reader.atEnd(), true);
        }
      }
    });

    test(`${name} that is cut anywhere is refused`, async () => {
      for (const session of [sessionOf(18), ...SESSIONS.slice(-1)]) {
        for (const { codec, value } of partsOf(name, session)) {
          const bytes = written(codec, value, session);
          for (let length = 0; length < bytes.length; length += 8) {
            const cut = codec.read(readerOf(bytes.subarray(0, length)), session);
            await assert.rejects(cut, (thrown: unknown) => thrown instanceof FirnError);
          }
        }
      }
    });
  }

  test("numbers lead to operations, those that were removed to none", () => {
    for (const name of Object.keys(SAMPLES) as WorkerOperationName[])
      assert.equal(workerOperation(WORKER_OPERATIONS[name].number), name);
    for (const removed of [0, 2, 3, 4, 5, 15, 16, 17, 24, 25, 27, 48])
      assert.equal(workerOperation(removed), undefined);
  });

  test("a request's bytes are what Nix sends", () => {
    const { request } = WORKER_OPERATIONS.queryPathInfo;
    assert.deepEqual(
      Buffer.from(written(request as WorkerCodec<unknown>, { path: A }, sessionOf(34))).toString("hex"),
      `2d00000000000000${Buffer.from(A.absolute()).toString("hex")}000000`,
    );
    const { request: build } = WORKER_OPERATIONS.buildPaths;
    const targets = [{ path: DRV, outputs: "all" as const }, { path: DRV, outputs: ["a", "b"] }, { path: A }];
    const drv = DRV.absolute();
    assert.deepEqual(
      written(build as WorkerCodec<unknown>, { targets, mode: "normal" }, sessionOf(34)),
      tokens(3, `${drv}!*`, `${drv}!a,b`, A.absolute(), 0),
    );
    assert.deepEqual(
      written(build as WorkerCodec<unknown>, { targets, mode: "check" }, sessionOf(29)),
      tokens(3, drv, `${drv}!a,b`, A.absolute(), 2),
    );
  });

  test("how contents become a path is written as a content address without its hash", () => {
    const request = WORKER_OPERATIONS.addToStore.request as WorkerCodec<unknown>;
    const added = { name: "n", algorithm: "sha256", references: [], repair: false };
    const cases = [
      ["nar", "fixed:r:sha256"],
      ["flat", "fixed:sha256"],
      ["git", "fixed:git:sha256"],
      ["text", "text:sha256"],
    ] as const;
    for (const [method, text] of cases)
      assert.deepEqual(written(request, { ...added, method }, sessionOf(34)), tokens("n", text, 0, 0));
  });

  test("before 1.25 what is not fixed is a NAR's sha256, whatever it says", async () => {
    const { request } = WORKER_OPERATIONS.addToStore;
    assert.deepEqual(await request.read(readerOf(tokens("n", 0, 0, "md5")), sessionOf(24)), {
      name: "n",
      method: "nar",
      algorithm: "sha256",
      references: [],
      repair: false,
    });
  });

  const refused: readonly (readonly [string, WorkerOperationName, "request" | "reply", Uint8Array, string])[] = [
    ["a path outside the store", "isValidPath", "request", tokens("/etc/passwd"), "invalid-store-path"],
    ["a path inside a store path", "isValidPath", "request", tokens(`${A.absolute()}/x`), "invalid-store-path"],
    ["a store path that is too long", "isValidPath", "request", tokens("x".repeat(4097)), "limit"],
    ["more paths than there can be", "queryValidPaths", "request", tokens(2 ** 40), "limit"],
    ["a mode of building that is none", "buildPaths", "request", tokens(0, 3), "invalid-message"],
    ["an action that is none", "collectGarbage", "request", tokens(4), "invalid-message"],
    ["a result's status that is none", "buildDerivation", "reply", tokens(15), "invalid-message"],
    ["an output of an output", "buildPaths", "request", tokens(1, `${DRV.absolute()}!a!b`), "unsupported-derivation"],
    [
      "an output without name",
      "buildDerivation",
      "request",
      tokens(DRV.absolute(), 1, "", "", "", "", 0, "s", "b", 0, 0, 0),
      "invalid-output",
    ],
    ["a hash of an unknown kind", "addToStore", "request", tokens("n", "fixed:r:sha3", 0, 0), "invalid-message"],
    ["a realisation that is no JSON", "queryRealisation", "reply", tokens(1, "{"), "invalid-realisation"],
    [
      "padding that is not zero",
      "queryPathFromHashPart",
      "request",
      Buffer.from("0100000000000000610000000000000100", "hex"),
      "invalid-message",
    ],
  ];
  for (const [what, name, part, bytes, code] of refused) {
    test(`${what} is refused as ${code}`, async () => {
      const codec = WORKER_OPERATIONS[name][part] as WorkerCodec<unknown>;
      await assert.rejects(codec.read(readerOf(bytes), sessionOf(34)), (thrown: unknown) => {
        assert.ok(thrown instanceof NixCompatError, String(thrown));
        assert.equal(thrown.code, code);
        return true;
      });
    });
  }

  test("a message is bounded as a whole", async () => {
    const reader = readerOf(tokens(2, A.absolute(), A.absolute(), 0));
    reader.begin(64);
    await assert.rejects(WORKER_OPERATIONS.queryValidPaths.request.read(reader, sessionOf(34)), { code: "limit" });
  });
});
