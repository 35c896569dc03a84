import assert from "node:assert/strict";
import { test } from "node:test";
import type { Attempt } from "@firn/build";
import { BuildOrder } from "../src/build-order.ts";
import type { BuildStep } from "../src/build-plan.ts";

const stepOf = (name: string, ...dependencies: string[]) =>
  ({ drvPath: name, derivation: { name }, dependencies }) as unknown as BuildStep;

/** All steps are ready at once: what matters is in which order they come. */
async function orderOf(steps: readonly BuildStep[], tookMs: Readonly<Record<string, number>>): Promise<string> {
  const list = async ({ label = "" } = {}) => ({
    attempts: label in tookMs ? [{ startedAtMs: 10, endedAtMs: 10 + tookMs[label] } as Attempt] : [],
  });
  const order = new BuildOrder({ list });
  for (const step of steps) order.push(step);
  await order.learn(steps);
  order.plan(new Map(steps.map((step) => [step.drvPath, step])));
  const names: string[] = [];
  for (let step = order.pop(); step !== undefined; step = order.pop()) names.push(step.drvPath);
  return names.join(" ");
}

const cases: [what: string, steps: BuildStep[], tookMs: Record<string, number>, order: string][] = [
  ["equal ones come as they came", [stepOf("a"), stepOf("b"), stepOf("c")], {}, "a b c"],
  ["longer ones come first", [stepOf("a"), stepOf("b"), stepOf("c")], { b: 5000, c: 20 }, "b a c"],
  ["what more waits for comes first", [stepOf("a"), stepOf("b"), stepOf("top", "b")], {}, "b a top"],
  [
    "the longest chain counts, not the number of those who wait",
    [stepOf("a"), stepOf("b"), stepOf("x", "a"), stepOf("y", "a"), stepOf("z", "b")],
    { z: 9000 },
    "b z a x y",
  ],
  [
    "a chain is the sum of its steps",
    [stepOf("a"), stepOf("b"), stepOf("b2", "b"), stepOf("b3", "b2")],
    { a: 2500 },
    "b a b2 b3",
  ],
];
for (const [what, steps, tookMs, order] of cases) {
  test(what, async () => assert.equal(await orderOf(steps, tookMs), order));
}
