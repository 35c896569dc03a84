/*
`npm test`: prepares what the tests need, runs every test file, ends with node:test's summary.

    npm test                       everything
    npm test -- packages/eval      files whose path contains the words given
    npm test -- --name NAME        tests whose name matches

A test file is `*.test.ts` in a test/ folder of a room or of dev, or anywhere below conformance/ and examples/. Files
named `slow-*.ts` are run by hand.
*/

import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { parseArgs } from "node:util";
import { installDebianPackages } from "./debian.ts";
import { fetchDebianSource } from "./debian-source.ts";

const PATTERNS = [
  "packages/*/test/**/*.test.ts",
  "dev/test/**/*.test.ts",
  "conformance/**/*.test.ts",
  "examples/**/*.test.ts",
];

/** Test files that run what is in a Debian source package. */
const DEBIAN_SOURCES: Readonly<Record<string, string>> = { "conformance/debian-language.test.ts": "nix" };

/** Test files below `root`, relative and sorted; with `words`, those whose path contains one of them. */
export function findTests(root: string, words: readonly string[]): string[] {
  const files = globSync(PATTERNS, { cwd: root, exclude: (name) => name === "node_modules" }).sort();
  return words.length === 0 ? files : files.filter((file) => words.some((word) => file.includes(word)));
}

async function main(root: string): Promise<number> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { name: { type: "string" } } });
  process.chdir(root);
  const files = findTests(root, positionals);
  if (files.length === 0) {
    process.stderr.write(`test: no test file matches ${positionals.join(" ")}\n`);
    return 1;
  }
  const told = installDebianPackages(root);
  if (told !== undefined) process.stderr.write(`test: ${told}\n`);
  for (const [file, source] of Object.entries(DEBIAN_SOURCES)) {
    if (!files.includes(file)) continue;
    const toldOfSource = fetchDebianSource(root, source);
    if (toldOfSource !== undefined) process.stderr.write(`test: ${toldOfSource}\n`);
  }

  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort()).once("SIGTERM", () => stop.abort());
  let passed = false;
  const summary: string[] = [];
  const events = run({
    files: files.map((file) => resolve(root, file)),
    concurrency: Math.max(2, availableParallelism()),
    signal: stop.signal,
    ...(values.name === undefined ? {} : { testNamePatterns: [values.name] }),
  });
  events.on("test:summary", ({ file, success }) => {
    if (file === undefined) passed = success; // with a file it is that file's own
  });
  events.on("test:diagnostic", ({ nesting, message, file }) => {
    if (nesting === 0 && file === undefined) summary.push(message);
  });
  const report = events.compose(new spec());
  report.pipe(process.stdout);
  await new Promise((done) => report.on("end", done));
  // The reporter lists failures after its summary; who reads only the end shall find the summary there.
  if (!passed) process.stdout.write(`\n${summary.map((line) => `ℹ ${line}\n`).join("")}`);
  return passed && !stop.signal.aborted ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main(join(import.meta.dirname, ".."));
