/*
`npm run slow:conformance -- [--programs N] [--seed S]`: random programs, evaluated by Firn and by Debian's nix-instantiate. What differs and has no known
reason is made as small as it gets and shown; such a program belongs into conformance/cases once it is understood.
*/

import { Worker } from "node:worker_threads";
import { parseArgs } from "node:util";
import fc from "fast-check";
import { programs } from "./generator.ts";
import { type Difference, explanation } from "./known.ts";
import { type Outcome, ReferenceBatch } from "./reference-batch.ts";
import { print, smaller, type Term } from "./term.ts";
import type { Answer } from "./worker.ts";

const BATCH = 200;
/** Differences that are made small; more of them are only counted. */
const SHRUNK_MAX = 25;
/** Variants that are tried in one step of making a program smaller. */
const VARIANTS_MAX = 60;
const SUBJECT_MS_MAX = 60_000;

const { values } = parseArgs({ options: { programs: { type: "string" }, seed: { type: "string" } } });
const count = Number(values.programs ?? 20_000);
const seed = Number(values.seed ?? Date.now() % 2 ** 31);

const reference = new ReferenceBatch();
let worker = startWorker();
let called: readonly string[] = [];
let uncalled: readonly string[] = [];

function startWorker(): Worker {
  return new Worker(new URL("worker.ts", import.meta.url), { resourceLimits: { stackSizeMb: 256 } });
}

function ask(texts: readonly string[]): Promise<Answer> {
  return new Promise((done, failed) => {
    const timer = setTimeout(() => failed(new Error("no answer in time")), SUBJECT_MS_MAX);
    worker.once("error", failed);
    worker.once("message", (answer: Answer) => {
      clearTimeout(timer);
      worker.off("error", failed);
      done(answer);
    });
    worker.postMessage(texts);
  });
}

/** Firn's outcomes; a program that ends the worker is found by asking for halves. */
async function subject(texts: readonly string[]): Promise<readonly Outcome[]> {
  try {
    const answer = await ask(texts);
    ({ called, uncalled } = answer);
    return answer.outcomes;
  } catch (thrown) {
    // A worker that never started says nothing about programs.
    if (called.length === 0) throw thrown;
    await worker.terminate();
    worker = startWorker();
    if (texts.length === 1) return [{ kind: "crash", text: String(thrown) }];
    const half = texts.length >> 1;
    return [...(await subject(texts.slice(0, half))), ...(await subject(texts.slice(half)))];
  }
}

async function compare(terms: readonly Term[]): Promise<Difference[]> {
  const texts = terms.map(print);
  const [expected, actual] = await Promise.all([reference.outcomes(texts), subject(texts)]);
  return texts.map((program, i) => ({ program, reference: expected[i], firn: actual[i] }));
}

function differ({ reference: a, firn: b }: Difference): boolean {
  return a.kind !== b.kind || (a.kind === "value" && a.text !== b.text);
}

function unexplained(difference: Difference): boolean {
  return differ(difference) && explanation(difference) === undefined;
}

/** The smallest program found that still differs in the same way without a reason. */
async function shrink(term: Term, difference: Difference): Promise<Difference> {
  let best = { term, difference };
  for (;;) {
    const variants = smaller(best.term);
    let next: typeof best | undefined;
    for (let at = 0; at < variants.length && next === undefined; at += VARIANTS_MAX) {
      const some = variants.slice(at, at + VARIANTS_MAX);
      const results = await compare(some);
      const found = results.findIndex(
        (result) =>
          unexplained(result) &&
          result.firn.kind === difference.firn.kind &&
          result.program.length < best.difference.program.length,
      );
      if (found >= 0) next = { term: some[found], difference: results[found] };
    }
    if (next === undefined) return best.difference;
    best = next;
  }
}

function shown({ kind, text }: Outcome): string {
  return `${kind} ${text.slice(0, 300)}`;
}

const tally = new Map<string, number>();
const add = (key: string): void => void tally.set(key, (tally.get(key) ?? 0) + 1);
const found: { readonly term: Term; readonly difference: Difference }[] = [];
console.log(`seed ${seed}, ${count} programs`);

try {
  for (let at = 0; at < count; at += BATCH) {
    const terms = fc.sample(programs, { seed: seed + at, numRuns: Math.min(BATCH, count - at) });
    (await compare(terms)).forEach((difference, i) => {
      add(`reference: ${difference.reference.kind}`);
      if (!differ(difference)) return;
      const reason = explanation(difference);
      if (reason === undefined) found.push({ term: terms[i], difference });
      add(reason ?? "unexplained");
    });
    if ((at / BATCH) % 10 === 9) console.error(`${at + BATCH}/${count}, ${found.length} unexplained`);
  }
  for (const [key, n] of tally) console.log(`${n}\t${key}`);
  console.log(
    `${called.length} of ${called.length + uncalled.length} builtins called; not called: ${uncalled.join(" ")}`,
  );
  const seen = new Set<string>();
  for (const { term, difference } of found.slice(0, SHRUNK_MAX)) {
    const small = await shrink(term, difference);
    if (seen.has(small.program)) continue;
    seen.add(small.program);
    console.log(`\n${small.program}\n  reference: ${shown(small.reference)}\n  firn:      ${shown(small.firn)}`);
  }
} finally {
  reference.remove();
  await worker.terminate();
}
process.exitCode = found.length === 0 ? 0 : 1;
