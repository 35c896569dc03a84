/*
`npm run slow:conformance -- [--programs N] [--seed S]`: random programs, evaluated by Firn and by Debian's nix-instantiate. What differs and has no known
reason is made as small as it gets and shown; such a program belongs into conformance/cases once it is understood.
*/

import { Worker } from "node:worker_threads";
import { parseArgs } from "node:util";
import fc from "fast-check";
import { programs } from "./generator.ts";
import { differ, type Difference, explanation } from "./known.ts";
import { type Outcome, ReferenceBatch } from "./reference-batch.ts";
import { print, smaller, type Term } from "./term.ts";
import type { Answer, Question } from "./worker.ts";

const BATCH = 200;
/** Differences that are made small; more of them are only counted. */
const SHRUNK_MAX = 25;
/** Variants that are tried in one step of making a program smaller. */
const VARIANTS_MAX = 60;
const SUBJECT_MS_MAX = 60_000;

const SAME = "";
const UNEXPLAINED = "unexplained";
/** `reason` says why the two differ, or is one of the two above. */
type Compared = Difference & { readonly reason: string };

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

function ask(question: Question): Promise<Answer> {
  return new Promise((done, failed) => {
    const timer = setTimeout(() => failed(new Error("no answer in time")), SUBJECT_MS_MAX);
    worker.once("error", failed);
    worker.once("message", (answer: Answer) => {
      clearTimeout(timer);
      worker.off("error", failed);
      done(answer);
    });
    worker.postMessage(question);
  });
}

/** Firn's outcomes; a program that ends the worker is found by asking for halves. */
async function subject(programs: readonly string[], asOlder: boolean): Promise<readonly Outcome[]> {
  try {
    const answer = await ask({ programs, asOlder });
    ({ called, uncalled } = answer);
    return answer.outcomes;
  } catch (thrown) {
    // A worker that never started says nothing about programs.
    if (called.length === 0) throw thrown;
    await worker.terminate();
    worker = startWorker();
    if (programs.length === 1) return [{ kind: "crash", text: String(thrown) }];
    const half = programs.length >> 1;
    return [...(await subject(programs.slice(0, half), asOlder)), ...(await subject(programs.slice(half), asOlder))];
  }
}

/** What became of each program, and why where the two differ. */
async function compare(terms: readonly Term[]): Promise<Compared[]> {
  const texts = terms.map(print);
  const [expected, actual] = await Promise.all([reference.outcomes(texts), subject(texts, false)]);
  const differing = texts.filter((_, i) => differ(expected[i], actual[i]));
  const asOlder = differing.length === 0 ? [] : await subject(differing, true);
  const older = new Map(differing.map((program, n) => [program, asOlder[n]]));
  return texts.map((program, i) => {
    const difference = { program, reference: expected[i], firn: actual[i] };
    const other = older.get(program);
    if (other === undefined) return { ...difference, reason: SAME };
    return { ...difference, reason: explanation({ ...difference, older: other }) ?? UNEXPLAINED };
  });
}

/** The smallest program found that still differs in the same way without a reason. */
async function shrink(term: Term, difference: Compared): Promise<Compared> {
  let best = { term, difference };
  for (;;) {
    const variants = smaller(best.term);
    let next: typeof best | undefined;
    for (let at = 0; at < variants.length && next === undefined; at += VARIANTS_MAX) {
      const some = variants.slice(at, at + VARIANTS_MAX);
      const results = await compare(some);
      const found = results.findIndex(
        (result) =>
          result.reason === UNEXPLAINED &&
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
const found: { readonly term: Term; readonly difference: Compared }[] = [];
console.log(`seed ${seed}, ${count} programs`);

try {
  for (let at = 0; at < count; at += BATCH) {
    const terms = fc.sample(programs, { seed: seed + at, numRuns: Math.min(BATCH, count - at) });
    (await compare(terms)).forEach((difference, i) => {
      add(`reference: ${difference.reference.kind}`);
      const { reason } = difference;
      if (reason === UNEXPLAINED) found.push({ term: terms[i], difference });
      if (reason !== SAME) add(reason);
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
