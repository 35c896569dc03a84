/*
`npm run conformance:nixpkgs -- --nixpkgs DIR [--golden FILE]... [--jobs N] [--only WORD]`: evaluates every attribute the golden files name and
compares the .drv path, or the way it fails, with what C++ Nix gave. Workers share the attributes; one that has grown big is replaced. For a mismatch the first
difference in the derivation graph is shown, where Debian's nix-instantiate is there to be asked.
*/

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { firstDifference } from "./first-difference.ts";
import type { Answer, Texts, WorkerOptions } from "./nixpkgs-worker.ts";

/** A worker whose heap has grown beyond this is replaced. */
const HEAP_BYTES_MAX = 5 * 2 ** 30;
/** Mismatches that are looked into. */
const EXPLAINED_MAX = 3;

const GOLDEN = ["nixpkgs-2026.keys.tsv", "nixpkgs-2026.sample.tsv"].map((name) =>
  join(import.meta.dirname, "golden", name),
);

const { values } = parseArgs({
  options: {
    nixpkgs: { type: "string" },
    golden: { type: "string", multiple: true },
    jobs: { type: "string" },
    only: { type: "string" },
  },
});
if (values.nixpkgs === undefined) {
  throw new Error("usage: npm run conformance:nixpkgs -- --nixpkgs DIR [--golden FILE]... [--jobs N] [--only WORD]");
}

type Row = { readonly attr: string; readonly expected: string };

const rows = new Map<string, Row>();
for (const file of values.golden ?? GOLDEN) {
  for (const line of readFileSync(file, "utf8").split("\n")) {
    const [attr, expected] = line.split("\t");
    if (attr !== "" && expected !== undefined && attr.includes(values.only ?? "")) rows.set(attr, { attr, expected });
  }
}

const codeCache = mkdtempSync(join(tmpdir(), "firn-code-"));
const workerOptions: WorkerOptions = {
  tree: resolve(values.nixpkgs),
  nixos: join(import.meta.dirname, "golden/nixos-minimal.nix"),
  codeCache,
};

function startWorker(): Worker {
  return new Worker(new URL("nixpkgs-worker.ts", import.meta.url), {
    workerData: workerOptions,
    resourceLimits: { stackSizeMb: 256, maxYoungGenerationSizeMb: 192, maxOldGenerationSizeMb: 12_000 },
  });
}

function ask<T>(worker: Worker, request: { attr: string; texts: boolean }): Promise<T> {
  return new Promise((done, failed) => {
    worker.once("message", (message: T) => {
      worker.off("error", failed);
      done(message);
    });
    worker.once("error", failed);
    worker.postMessage(request);
  });
}

const queue = [...rows.values()];
const wrong: { readonly row: Row; readonly answer: Answer }[] = [];
let done = 0;
const startedAt = performance.now();

async function work(): Promise<void> {
  let worker = startWorker();
  for (let row = queue.shift(); row !== undefined; row = queue.shift()) {
    const answer = await ask<Answer>(worker, { attr: row.attr, texts: false });
    if (answer.outcome !== row.expected) {
      wrong.push({ row, answer });
      console.log(`${row.attr}: expected ${row.expected}, got ${answer.outcome} ${answer.detail}`);
    }
    if (++done % 200 === 0)
      console.error(
        `${done}/${rows.size}, ${wrong.length} wrong, ${Math.round((performance.now() - startedAt) / 1000)} s`,
      );
    if (answer.heapBytes > HEAP_BYTES_MAX) {
      await worker.terminate();
      worker = startWorker();
    }
  }
  await worker.terminate();
}

try {
  const jobs = Number(values.jobs ?? availableParallelism());
  await Promise.all(Array.from({ length: jobs }, work));
  const mismatched = wrong.filter(({ row, answer }) => row.expected.startsWith("/") && answer.outcome.startsWith("/"));
  for (const { row } of mismatched.slice(0, EXPLAINED_MAX)) {
    const worker = startWorker();
    const { texts } = await ask<Texts>(worker, { attr: row.attr, texts: true });
    await worker.terminate();
    console.log(`${row.attr}: ${firstDifference(workerOptions, row.attr, row.expected, new Map(texts))}`);
  }
} finally {
  rmSync(codeCache, { recursive: true, force: true });
}
console.log(`${rows.size - wrong.length} passed, ${wrong.length} failed`);
process.exitCode = wrong.length === 0 ? 0 : 1;
