/*
Attempts in words and as JSON, for the commands that show them. What is unknown is left out.
*/

import { textOf } from "@firn/base";
import { type Attempt, describeEnd, hasEnded } from "@firn/build";
import { formatDigest, type Node } from "@firn/castore";
import { nodeJson } from "./node-json.ts";
import type { Output, Style } from "./output.ts";

const STYLES: Readonly<Record<Attempt["status"], Style>> = {
  waiting: "dim",
  running: "blue",
  succeeded: "green",
  failed: "red",
};

/** One line: id, status, when it was queued, how long it took, label, and why it failed. */
export function attemptRow(attempt: Attempt, output: Output, nowMs: number): string {
  const { id, status, label, end, queuedAtMs, startedAtMs, endedAtMs } = attempt;
  const took = startedAtMs === undefined ? "-" : durationText((endedAtMs ?? nowMs) - startedAtMs);
  const when = new Date(queuedAtMs).toISOString().slice(0, 19).replace("T", " ");
  const why = end === undefined || status === "succeeded" ? "" : `  ${oneLine(describeEnd(end))}`;
  const shown = output.styled(output.stdout, STYLES[status], status.padEnd(9));
  return `${id.padEnd(12)}  ${shown}  ${when}  ${took.padStart(7)}  ${label}${why}`;
}

/** All that is known, a line for each thing. */
export function attemptText(attempt: Attempt, nowMs: number): string {
  const { startedAtMs, endedAtMs, end } = attempt;
  const time = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());
  const took = startedAtMs === undefined ? undefined : durationText((endedAtMs ?? nowMs) - startedAtMs);
  const bytes = (count: number | undefined) => (count === undefined ? undefined : `${count} bytes`);
  const milliseconds = (count: number | undefined) => (count === undefined ? undefined : `${Math.round(count)} ms`);
  const rows: [string, string | undefined][] = [
    ["id", attempt.id],
    ["label", attempt.label],
    ["status", attempt.status],
    ["end", end === undefined ? undefined : describeEnd(end)],
    ["builder", attempt.builder],
    ["queued", time(attempt.queuedAtMs)],
    ["started", time(startedAtMs)],
    ["ended", time(endedAtMs)],
    [hasEnded(attempt) ? "took" : "so far", took],
    ["cpu user", milliseconds(attempt.cpuUserMs)],
    ["cpu system", milliseconds(attempt.cpuSystemMs)],
    ["memory", bytes(attempt.memoryPeakBytes)],
    ["read", bytes(attempt.ioReadBytes)],
    ["written", bytes(attempt.ioWriteBytes)],
    ["recipe", formatDigest(attempt.recipe)],
    ["resolved", attempt.resolved === undefined ? undefined : formatDigest(attempt.resolved)],
    ["log", attempt.log === undefined ? undefined : `${formatDigest(attempt.log)} (${attempt.logBytes} bytes)`],
    ...attempt.outputs.map(({ path, node, needles }): [string, string] => [
      "output",
      `${textOf(path)} ${nodeName(node)}${needles.length === 0 ? "" : `, mentions ${needles.length} needles`}`,
    ]),
  ];
  const known = rows.filter(([, value]) => value !== undefined);
  return known.map(([name, value]) => `${`${name}:`.padEnd(12)}${value}`).join("\n");
}

export function attemptJson(attempt: Attempt): object {
  const { recipe, resolved, log, outputs, ...rest } = attempt;
  return {
    ...rest,
    recipe: formatDigest(recipe),
    resolved: resolved && formatDigest(resolved),
    log: log && formatDigest(log),
    outputs: outputs.map(({ path, node, needles }) => ({ path: textOf(path), ...nodeJson(node), needles })),
  };
}

export function nodeName(node: Node): string {
  return node.kind === "symlink" ? `-> ${textOf(node.target)}` : formatDigest(node.digest);
}

function durationText(ms: number): string {
  if (ms < 10_000) return `${(Math.max(0, ms) / 1000).toFixed(2)}s`;
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${String(seconds % 60).padStart(2, "0")}s`;
}

function oneLine(text: string): string {
  const [first] = text.split("\n", 1);
  return first.length > 100 ? `${first.slice(0, 100)}…` : first;
}
