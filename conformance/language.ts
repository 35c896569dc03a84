/*
Runs the language tests of C++ Nix (a checkout's tests/functional, which is not part of this repository) on compat/bin/nix-instantiate, and
compares what is printed with what they expect. What differs and why stands in known-gaps/language.json; a test in there that
passes is a failure too, so that the list stays true.

    npm run conformance:lang -- --dir NIX/tests/functional [--filter WORDS] [--show]

A test is `lang/(parse|eval)-(okay|fail)-NAME.nix` with its output in NAME.exp or NAME.exp.xml, its messages in NAME.err.exp, its flags
in NAME.flags. A NAME.postprocess is run with bash, as theirs is.
*/

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const PROGRAM = join(import.meta.dirname, "..", "compat", "bin", "nix-instantiate");
const TIMEOUT_MS = 60_000;
const GAPS = join(import.meta.dirname, "known-gaps", "language.json");
/** What the tests' nix.conf says, as far as an evaluation cares. */
const SETTINGS = "experimental-features = nix-command flakes\nshow-trace = true\n";
const STACK_FLAGS = ["--eval", "--strict", "--show-trace"];

type Ended = { readonly code: number; readonly out: string; readonly err: string };
type Verdict = { readonly name: string; readonly difference?: string };

class Suite {
  readonly #directory: string;
  readonly #scratch: string;

  constructor(directory: string, scratch: string) {
    this.#directory = directory;
    this.#scratch = scratch;
    mkdirSync(join(scratch, "etc"), { recursive: true });
    writeFileSync(join(scratch, "etc", "nix.conf"), SETTINGS);
  }

  /** Names of all tests that `filter` has a part of. */
  names(filter: readonly string[]): string[] {
    return readdirSync(join(this.#directory, "lang"))
      .filter((file) => /^(parse|eval)-(okay|fail)-.*\.nix$/.test(file))
      .map((file) => file.slice(0, -".nix".length))
      .filter((name) => filter.length === 0 || filter.some((word) => name.includes(word)))
      .filter((name) => !existsSync(this.#path(`${name}.exp-disabled`)))
      .sort();
  }

  async run(name: string): Promise<Verdict> {
    const file = `lang/${name}.nix`;
    const flags = this.#text(`${name}.flags`)
      ?.split("\n")
      .map((line) => line.replace(/#.*/, ""))
      .join(" ")
      .split(/\s+/)
      .filter((word) => word !== "");
    if (name.startsWith("parse-"))
      return this.#judge(name, await this.#nix(["--parse", "-"], readFileSync(this.#path(`${name}.nix`))), ".exp");
    if (name.startsWith("eval-fail"))
      return this.#judge(name, await this.#nix([...(flags ?? STACK_FLAGS), file]), ".exp");
    const isXml = existsSync(this.#path(`${name}.exp.xml`));
    const ended = isXml
      ? await this.#nix(["--eval", "--xml", "--no-location", "--strict", file])
      : await this.#nix([...(flags ?? []), "--eval", "--strict", file], undefined, {
          NIX_PATH: "lang/dir3:lang/dir4",
          HOME: "/fake-home",
        });
    return this.#judge(name, ended, isXml ? ".exp.xml" : ".exp");
  }

  #judge(name: string, ended: Ended, suffix: string): Verdict {
    const fails = name.includes("-fail-");
    if (ended.code !== (fails ? 1 : 0)) return { name, difference: `exit code ${ended.code}\n${ended.err}` };
    if (!fails) {
      const expected = this.#text(name + suffix) ?? "";
      if (ended.out !== expected) return { name, difference: difference(expected, ended.out) };
      if (suffix === ".exp.xml") return { name };
    }
    const err = this.#postprocessed(name, ended.err);
    const expected = this.#text(`${name}.err.exp`) ?? "";
    return err === expected ? { name } : { name, difference: difference(expected, err) };
  }

  #postprocessed(name: string, err: string): string {
    const script = this.#path(`${name}.postprocess`);
    if (!existsSync(script)) return err;
    const base = join(this.#scratch, name);
    writeFileSync(`${base}.err`, err);
    execFileSync("bash", [script, base]);
    return readFileSync(`${base}.err`, "utf8");
  }

  #path(file: string): string {
    return join(this.#directory, "lang", file);
  }

  #text(file: string): string | undefined {
    const path = this.#path(file);
    return existsSync(path) ? readFileSync(path, "utf8") : undefined;
  }

  #nix(argv: readonly string[], stdin?: Buffer, more: Readonly<Record<string, string>> = {}): Promise<Ended> {
    const scratch = this.#scratch;
    const env = {
      PATH: process.env.PATH,
      TEST_VAR: "foo",
      NIX_REMOTE: "dummy://",
      NIX_STORE_DIR: "/nix/store",
      HOME: join(scratch, "home"),
      FIRN_HOME: join(scratch, "state"),
      NIX_CONF_DIR: join(scratch, "etc"),
      NIX_USER_CONF_FILES: "",
      ...more,
    };
    const child = spawn(PROGRAM, argv, { cwd: this.#directory, env, stdio: "pipe", timeout: TIMEOUT_MS });
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.stdin.on("error", () => undefined);
    child.stdin.end(stdin);
    const seen = (chunks: readonly Buffer[]) =>
      Buffer.concat(chunks).toString("utf8").replaceAll(this.#directory, "/pwd");
    return new Promise((done, refuse) => {
      child.on("error", refuse);
      child.on("close", (code) => done({ code: code ?? -1, out: seen(out), err: seen(err) }));
    });
  }
}

/** What was expected and is not there, and what came instead, line by line from the first one on that differs. */
function difference(expected: string, actual: string): string {
  const [wanted, got] = [expected.split("\n"), actual.split("\n")];
  let from = 0;
  while (wanted[from] === got[from]) from++;
  const rows = (lines: readonly string[], sign: string) =>
    lines.slice(from, from + 12).map((line) => `${sign} ${line}`);
  return [`line ${from + 1}:`, ...rows(wanted, "-"), ...rows(got, "+")].join("\n");
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { dir: { type: "string" }, filter: { type: "string", multiple: true }, show: { type: "boolean" } },
  });
  if (values.dir === undefined) {
    process.stderr.write("language: --dir names a checkout's tests/functional\n");
    return 2;
  }
  const scratch = mkdtempSync(join(tmpdir(), "firn-language-"));
  const suite = new Suite(resolve(values.dir), scratch);
  const gaps: Record<string, string> = JSON.parse(readFileSync(GAPS, "utf8"));
  const names = suite.names([...(values.filter ?? []), ...positionals]);
  const verdicts: Verdict[] = [];
  const queue = names.slice();
  // The first to start bundles the sources, where that is due, and says so.
  execFileSync(PROGRAM, ["--version"], { stdio: "ignore" });
  const worker = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) verdicts.push(await suite.run(name));
  };
  try {
    await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, worker));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return report(verdicts, gaps, values.show === true);
}

function report(verdicts: readonly Verdict[], gaps: Readonly<Record<string, string>>, show: boolean): number {
  const counts = new Map<string, { passed: number; known: number; failed: number }>();
  let failures = 0;
  for (const { name, difference: text } of verdicts.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const kind = name.split("-").slice(0, 2).join("-");
    const count = counts.get(kind) ?? { passed: 0, known: 0, failed: 0 };
    counts.set(kind, count);
    const isKnown = Object.hasOwn(gaps, name);
    if (text === undefined && !isKnown) count.passed++;
    else if (text !== undefined && isKnown) count.known++;
    else {
      count.failed++;
      failures++;
      process.stdout.write(text === undefined ? `PASSES, though a known gap: ${name}\n` : `FAILS: ${name}\n`);
    }
    if (text !== undefined && show) process.stdout.write(`${name}\n${text}\n\n`);
  }
  for (const [kind, { passed, known, failed }] of counts)
    process.stdout.write(`${kind}: ${passed} passed, ${known} known gaps, ${failed} failed\n`);
  return failures === 0 ? 0 : 1;
}

process.exitCode = await main();
