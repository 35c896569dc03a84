/*
What stands between a request and its reply: messages and activities for whoever waits, requests for more of a body, and at the end either LAST, after
which the reply comes, or ERROR, after which nothing comes. Follows TunnelLogger and processStderrReturn.
*/

import type { ByteString } from "@firn/base";
import type { WireReader, WireWriter } from "./wire.ts";
import { invalidMessage, type WorkerSession } from "./worker-codec.ts";

const NEXT = 0x6f6c6d67;
const READ = 0x64617461;
const WRITE = 0x64617416;
const LAST = 0x616c7473;
const ERROR = 0x63787470;
const START_ACTIVITY = 0x53545254;
const STOP_ACTIVITY = 0x53544f50;
const RESULT = 0x52534c54;

const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
const FIELDS_MAX = 64;
const TRACES_MAX = 1 << 14;
const FIELD_INTEGER = 0;
const FIELD_TEXT = 1;
/** The version from which on activities are told. */
const ACTIVITIES_SINCE = 20;
/** The version from which on errors say more than a message and an exit code. */
const STRUCTURED_ERRORS_SINCE = 26;

/** Nix's levels: what a client that asked for 3 is told is at most 3. */
export const WORKER_LEVEL = {
  error: 0,
  warn: 1,
  notice: 2,
  info: 3,
  talkative: 4,
  chatty: 5,
  debug: 6,
  vomit: 7,
} as const;

/** Nix's kinds of activities, those that are told here. */
export const WORKER_ACTIVITY = { unknown: 0, copyPath: 100, builds: 104, build: 105, substitute: 108 } as const;

/** Nix's kinds of results of activities. */
export const WORKER_RESULT = { buildLogLine: 101, setPhase: 104, progress: 105, setExpected: 106 } as const;

export type WorkerField = ByteString | bigint;

export type WorkerLogFrame =
  | { readonly type: "message"; readonly text: ByteString }
  /** The server wants at most so many bytes of the body. */
  | { readonly type: "read"; readonly bytesMax: number }
  | { readonly type: "write"; readonly bytes: Uint8Array }
  | { readonly type: "last" }
  | {
      readonly type: "error";
      readonly level: number;
      readonly message: ByteString;
      readonly traces: readonly ByteString[];
    }
  | {
      readonly type: "start";
      readonly id: bigint;
      readonly level: number;
      readonly activity: number;
      readonly text: ByteString;
      readonly fields: readonly WorkerField[];
      readonly parent: bigint;
    }
  | { readonly type: "stop"; readonly id: bigint }
  | { readonly type: "result"; readonly id: bigint; readonly result: number; readonly fields: readonly WorkerField[] };

/** Whether the other end understands activities and their results. */
export function knowsActivities({ version }: WorkerSession): boolean {
  return version >= ACTIVITIES_SINCE;
}

/** Reads one frame. Throws `invalid-message` or `limit`. */
export async function readWorkerLogFrame(from: WireReader, session: WorkerSession): Promise<WorkerLogFrame> {
  const text = () => from.text(MESSAGE_BYTES_MAX, "message");
  const tag = await from.integer();
  switch (tag) {
    case NEXT:
      return { type: "message", text: await text() };
    case READ:
      return { type: "read", bytesMax: await from.integer() };
    case WRITE:
      return { type: "write", bytes: await from.bytes(MESSAGE_BYTES_MAX, "piece of data") };
    case LAST:
      return { type: "last" };
    case ERROR:
      return readError(from, session);
    case START_ACTIVITY: {
      const id = await from.integer64();
      const level = await from.integer();
      const activity = await from.integer();
      return {
        type: "start",
        id,
        level,
        activity,
        text: await text(),
        fields: await readFields(from),
        parent: await from.integer64(),
      };
    }
    case STOP_ACTIVITY:
      return { type: "stop", id: await from.integer64() };
    case RESULT: {
      const id = await from.integer64();
      return { type: "result", id, result: await from.integer(), fields: await readFields(from) };
    }
    default:
      throw invalidMessage(`0x${tag.toString(16)} begins no log frame`);
  }
}

export function writeWorkerLogFrame(to: WireWriter, frame: WorkerLogFrame, session: WorkerSession): void {
  switch (frame.type) {
    case "message":
      to.integer(NEXT).text(frame.text);
      return;
    case "read":
      to.integer(READ).integer(frame.bytesMax);
      return;
    case "write":
      to.integer(WRITE).bytes(frame.bytes);
      return;
    case "last":
      to.integer(LAST);
      return;
    case "error":
      to.integer(ERROR);
      if (session.version < STRUCTURED_ERRORS_SINCE) {
        to.text(frame.message).integer(1);
        return;
      }
      // The third word was the error's name once, the zeros are positions, which nobody sends.
      to.text("Error").integer(frame.level).text("Error").text(frame.message).integer(0).integer(frame.traces.length);
      for (const trace of frame.traces) to.integer(0).text(trace);
      return;
    case "start":
      to.integer(START_ACTIVITY).integer(frame.id).integer(frame.level).integer(frame.activity).text(frame.text);
      writeFields(to, frame.fields);
      to.integer(frame.parent);
      return;
    case "stop":
      to.integer(STOP_ACTIVITY).integer(frame.id);
      return;
    case "result":
      to.integer(RESULT).integer(frame.id).integer(frame.result);
      writeFields(to, frame.fields);
  }
}

async function readError(from: WireReader, { version }: WorkerSession): Promise<WorkerLogFrame> {
  const text = () => from.text(MESSAGE_BYTES_MAX, "message");
  if (version < STRUCTURED_ERRORS_SINCE) {
    const message = await text();
    await from.integer64();
    return { type: "error", level: WORKER_LEVEL.error, message, traces: [] };
  }
  const kind = await text();
  if (kind !== "Error") throw invalidMessage(`'${kind.slice(0, 100)}' is no kind of error`);
  const level = await from.integer();
  await text();
  const message = await text();
  await readNoPosition(from);
  const traces: ByteString[] = [];
  for (let left = await from.count(TRACES_MAX, "traces"); left > 0; left--) {
    await readNoPosition(from);
    traces.push(await text());
  }
  return { type: "error", level, message, traces };
}

async function readNoPosition(from: WireReader): Promise<void> {
  if ((await from.integer64()) !== 0n) throw invalidMessage("an error has a position, of which nothing is known");
}

async function readFields(from: WireReader): Promise<WorkerField[]> {
  const fields: WorkerField[] = [];
  for (let left = await from.count(FIELDS_MAX, "fields"); left > 0; left--) {
    const kind = await from.integer();
    if (kind === FIELD_INTEGER) fields.push(await from.integer64());
    else if (kind === FIELD_TEXT) fields.push(await from.text(MESSAGE_BYTES_MAX, "field"));
    else throw invalidMessage(`${kind} is no kind of field`);
  }
  return fields;
}

function writeFields(to: WireWriter, fields: readonly WorkerField[]): void {
  to.integer(fields.length);
  for (const field of fields) {
    if (typeof field === "bigint") to.integer(FIELD_INTEGER).integer(field);
    else to.integer(FIELD_TEXT).text(field);
  }
}
