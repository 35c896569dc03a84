/*
Damaged bytes for everything that reads Nix's worker protocol: each request, reply and log frame by itself, both handshakes, and whole conversations with a
running daemon, which must answer or end each connection, quickly, and still serve the next. By hand: `npm run slow:fuzz-daemon [-- COUNT [SEED]]`.
*/

import assert from "node:assert/strict";
import { connect } from "node:net";
import { concatBytes, FirnError } from "@firn/base";
import {
  keyedPathInfo,
  openWorkerHandshake,
  readWorkerLogFrame,
  serveWorkerHandshake,
  WireWriter,
  WORKER_OPERATIONS,
  type WorkerCodec,
  workerFrameHead,
  type WorkerOperationName,
  type WorkerSession,
  writeWorkerLogFrame,
} from "@firn/nix-compat";
import { renderNar } from "@firn/store";
import { Mutator } from "../../nix-compat/test/mutator.ts";
import { INFO, readerOf, SAMPLES, sessionOf, SESSIONS } from "../../nix-compat/test/worker.ts";
import { chainStore, pathOf } from "../../store/test/small-store.ts";
import { daemonPair } from "./daemon-pair.ts";

const [count = 200_000, seed = Date.now() >>> 0] = process.argv.slice(2).map(Number);
const SLOW_MS = 1000;
const CONVERSATION_MS = 10_000;
process.stdout.write(`${count} inputs, seed ${seed}\n`);
const { mutated, random } = new Mutator(seed);
const names = Object.keys(SAMPLES) as WorkerOperationName[];

type Target = {
  readonly seeds: readonly Uint8Array[];
  readonly read: (bytes: Uint8Array) => Promise<unknown>;
};

function written(codec: WorkerCodec<unknown>, value: unknown, session: WorkerSession): Uint8Array {
  const to = new WireWriter();
  codec.write(to, value, session);
  return to.take();
}

const targets: Target[] = [];
for (const session of SESSIONS) {
  for (const name of names) {
    const [request, reply] = SAMPLES[name];
    const operation = WORKER_OPERATIONS[name];
    for (const [codec, value] of [
      [operation.request, request(session)],
      [operation.reply, reply(session)],
    ] as unknown as readonly (readonly [WorkerCodec<unknown>, unknown])[])
      targets.push({
        seeds: [written(codec, value, session)],
        read: (bytes) => codec.read(readerOf(bytes, 64), session),
      });
  }
  const frame = new WireWriter();
  writeWorkerLogFrame(frame, { type: "error", level: 0, message: "m", traces: ["a", "b"] }, session);
  const errorFrame = frame.take();
  const fields = ["x", 1n];
  writeWorkerLogFrame(
    frame,
    { type: "start", id: 1n, level: 3, activity: 105, text: "t", fields, parent: 0n },
    session,
  );
  targets.push({
    seeds: [errorFrame, frame.take()],
    read: (bytes) => readWorkerLogFrame(readerOf(bytes, 64), session),
  });
}
const client = new WireWriter().integer(0x6e697863).integer(0x126).integer(1).text("a").integer(0).integer(0).take();
const server = new WireWriter().integer(0x6478696f).integer(0x126).integer(0).text("2.35.2").integer(1).take();
const greeting = { programVersion: "2", trusted: true };
targets.push({
  seeds: [client],
  read: (bytes) => serveWorkerHandshake(readerOf(bytes), async () => {}, "/nix/store", greeting),
});
targets.push({
  seeds: [server],
  read: (bytes) => openWorkerHandshake(readerOf(bytes), async () => {}, "/nix/store"),
});

const tally = { read: 0, refused: 0 };
for (let i = 0; i < count; i++) {
  const target = targets[i % targets.length];
  const input = mutated(target.seeds);
  const from = performance.now();
  try {
    await target.read(input);
    tally.read++;
  } catch (thrown) {
    if (!(thrown instanceof FirnError)) {
      process.stdout.write(`input ${i}: ${Buffer.from(input).toString("hex")}\n`);
      throw thrown;
    }
    tally.refused++;
  }
  assert.ok(performance.now() - from < SLOW_MS, `input ${i} took too long`);
}
process.stdout.write(`messages: ${tally.read} read, ${tally.refused} refused\n`);

const stores = await chainStore();
const info = await stores.pathInfos.get(pathOf("a").hashPart);
assert.ok(info);
const nar = concatBytes(await Array.fromAsync(renderNar(info.node, stores)));
const framed = (...parts: readonly Uint8Array[]) =>
  concatBytes([...parts.flatMap((part) => [workerFrameHead(part.length), part]), workerFrameHead(0)]);
const conversations = [18, 22, 24, 34, 37].map((version) => {
  const session = sessionOf(version);
  const parts: Uint8Array[] = [
    new WireWriter()
      .integer(0x6e697863)
      .integer(0x100 | version)
      .integer(0)
      .integer(0)
      .take(),
  ];
  for (const name of names) {
    const operation = WORKER_OPERATIONS[name];
    const body = (operation as { body?: (version: number) => string }).body?.(version);
    parts.push(new WireWriter().integer(operation.number).take());
    parts.push(written(operation.request as WorkerCodec<unknown>, SAMPLES[name][0](session), session));
    if (name === "addMultipleToStore") {
      const said = written(keyedPathInfo as WorkerCodec<unknown>, { path: info.path, info: INFO }, session);
      parts.push(framed(new WireWriter().integer(1).take(), said, nar));
    } else if (body === "framed") parts.push(framed(nar));
    else if (body === "nar") parts.push(nar);
    else if (body === "asked") parts.push(new WireWriter().bytes(nar).take());
  }
  return concatBytes(parts);
});

const pair = await daemonPair();
const talk = (bytes: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connect(random(2) === 0 ? pair.sockets.trusted : pair.sockets.untrusted);
    const timer = setTimeout(() => reject(new Error("a conversation does not end")), CONVERSATION_MS);
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      resolve();
    });
    socket.resume();
    socket.end(bytes);
  });
const rounds = Math.ceil(count / 100);
const heapBefore = process.memoryUsage().heapUsed;
for (let i = 0; i < rounds; i++) await talk(mutated(conversations));
const daemon = await pair.dial();
assert.equal(await daemon.call("isValidPath", { path: pathOf("d") }), false);
const grown = (process.memoryUsage().heapUsed - heapBefore) / 1024 / 1024;
process.stdout.write(`conversations: ${rounds}, heap ${grown.toFixed(0)} MiB more\n`);
await pair.close();
