/* Attempts and their message. Why one ended has different facts for each reason; a table says which. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { byteStringOf, bytesOf } from "@firn/base";
import type { Attempt, AttemptEnd, AttemptStatus } from "@firn/build";
import { bytesOfDigest } from "@firn/castore";
import { digestOfRequest } from "./digest-list.ts";
import { ProtocolError } from "./error.ts";
import type {
  AttemptEnd as EndMessage,
  Attempt as AttemptMessage,
  AttemptSchema,
} from "./gen/firn/build/v1/attempt_pb.ts";
import { bigOfNumber, messageOfNode, nodeOfMessage, numberOfBig, numberOfMessage } from "./node-message.ts";

type EndField = "code" | "signal" | "afterMs" | "bytesMax" | "path" | "why" | "attempt";

/** The facts of each reason. */
const END_FIELDS: Readonly<Record<AttemptEnd["reason"], readonly EndField[]>> = {
  succeeded: [],
  "exit-code": ["code"],
  signal: ["signal"],
  timeout: ["afterMs"],
  silence: ["afterMs"],
  "out-of-memory": [],
  "out-of-space": ["bytesMax"],
  "log-limit": ["bytesMax"],
  cancelled: [],
  "output-missing": ["path"],
  "output-refused": ["path", "why"],
  dependency: ["attempt"],
  "check-failed": ["why"],
  "hash-mismatch": ["why"],
  infrastructure: ["why"],
};

const STATUSES: readonly AttemptStatus[] = ["waiting", "running", "succeeded", "failed"];

export function messageOfAttempt(attempt: Attempt): MessageInitShape<typeof AttemptSchema> {
  const { recipe, resolved, log, end, outputs } = attempt;
  return {
    id: attempt.id,
    recipe: bytesOfDigest(recipe),
    resolved: resolved && bytesOfDigest(resolved),
    label: attempt.label,
    builder: attempt.builder,
    status: attempt.status,
    queuedAtMs: BigInt(attempt.queuedAtMs),
    startedAtMs: bigOfNumber(attempt.startedAtMs),
    endedAtMs: bigOfNumber(attempt.endedAtMs),
    end: end && messageOfEnd(end),
    log: log && bytesOfDigest(log),
    logBytes: bigOfNumber(attempt.logBytes),
    outputs: outputs.map(({ path, node, needles }) => ({
      path: bytesOf(path),
      node: messageOfNode(node, ""),
      needles: [...needles],
    })),
    cpuUserMs: attempt.cpuUserMs,
    cpuSystemMs: attempt.cpuSystemMs,
    memoryPeakBytes: bigOfNumber(attempt.memoryPeakBytes),
    ioReadBytes: bigOfNumber(attempt.ioReadBytes),
    ioWriteBytes: bigOfNumber(attempt.ioWriteBytes),
  };
}

function messageOfEnd(end: AttemptEnd) {
  const values = end as Readonly<Record<string, unknown>>;
  const message: Record<string, unknown> = { reason: end.reason };
  for (const field of END_FIELDS[end.reason]) {
    const value = values[field];
    message[field] =
      field === "path"
        ? bytesOf(value as string)
        : field === "afterMs" || field === "bytesMax"
          ? BigInt(value as number)
          : value;
  }
  return message;
}

/** Throws `invalid-argument` for what no attempt is. */
export function attemptOfMessage(message: AttemptMessage | undefined): Attempt {
  if (message === undefined) throw new ProtocolError("invalid-argument", "an attempt did not come");
  const { id, label, builder, resolved, log, end, cpuUserMs, cpuSystemMs } = message;
  return present({
    id,
    recipe: digestOfRequest(message.recipe),
    resolved: resolved && digestOfRequest(resolved),
    label,
    builder,
    status: attemptStatusOf(message.status),
    queuedAtMs: numberOfMessage(message.queuedAtMs, "a time"),
    startedAtMs: numberOfBig(message.startedAtMs),
    endedAtMs: numberOfBig(message.endedAtMs),
    end: end && endOfMessage(end),
    log: log && digestOfRequest(log),
    logBytes: numberOfBig(message.logBytes),
    outputs: message.outputs.map(({ path, node, needles }) => ({
      path: byteStringOf(path),
      node: nodeOfMessage(node).node,
      needles,
    })),
    cpuUserMs,
    cpuSystemMs,
    memoryPeakBytes: numberOfBig(message.memoryPeakBytes),
    ioReadBytes: numberOfBig(message.ioReadBytes),
    ioWriteBytes: numberOfBig(message.ioWriteBytes),
  });
}

/** Throws `invalid-argument` for a word that is none. */
export function attemptStatusOf(word: string): AttemptStatus {
  const status = STATUSES.find((one) => one === word);
  if (status !== undefined) return status;
  throw new ProtocolError("invalid-argument", `an attempt cannot be ${word.slice(0, 50)}`);
}

function endOfMessage(message: EndMessage): AttemptEnd {
  const fields = Object.hasOwn(END_FIELDS, message.reason)
    ? END_FIELDS[message.reason as AttemptEnd["reason"]]
    : undefined;
  if (fields === undefined)
    throw new ProtocolError("invalid-argument", `no attempt ends with ${message.reason.slice(0, 50)}`);
  const end: Record<string, unknown> = { reason: message.reason };
  for (const field of fields) {
    if (field === "path") end.path = byteStringOf(message.path);
    else if (field === "afterMs" || field === "bytesMax") end[field] = numberOfMessage(message[field], "a limit");
    else end[field] = message[field];
  }
  return end as AttemptEnd;
}

/** Without the fields that are not there: what is unknown is absent. */
function present<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
}
