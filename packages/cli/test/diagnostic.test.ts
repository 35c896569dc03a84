/* What is said as data: shape, codes, and that the page about them names them all. */

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { FirnError } from "@firn/base";
import { type Diagnostic, diagnosticOf, printDiagnostic } from "../src/diagnostic.ts";
import { takeDiagnosticsFlag } from "../src/diagnostics-flag.ts";
import { CliError, Interrupted } from "../src/error.ts";
import { logFormatOf } from "../src/compat/common-flags.ts";
import { reportOf } from "../src/report.ts";
import { captured, fakeSession } from "./fake-session.ts";
import { makeFirn } from "./firn.ts";
import { Output } from "../src/output.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");

function data(thrown: unknown): Diagnostic | undefined {
  return diagnosticOf(thrown, reportOf(thrown, false));
}

test("the flag is taken out wherever it stands, but not from another program's flags", () => {
  const table: readonly (readonly [readonly string[], readonly string[], string])[] = [
    [["eval", "-E", "1"], ["eval", "-E", "1"], "text"],
    [["--diagnostics", "json", "eval"], ["eval"], "json"],
    [["eval", "--diagnostics=json", "-E", "1"], ["eval", "-E", "1"], "json"],
    [["run", "p", "--diagnostics", "json"], ["run", "p", "--diagnostics", "json"], "text"],
    [["--diagnostics", "json", "run", "p", "--diagnostics", "x"], ["run", "p", "--diagnostics", "x"], "json"],
    [["build", "--log-format", "internal-json", "x"], ["build", "x"], "internal-json"],
    [["build", "--log-format=bar"], ["build"], "text"],
    [["eval", "--", "--diagnostics", "json"], ["eval", "--", "--diagnostics", "json"], "text"],
  ];
  for (const [given, argv, format] of table) assert.deepEqual(takeDiagnosticsFlag(given), { argv, format });
  assert.throws(() => takeDiagnosticsFlag(["eval", "--diagnostics", "yaml"]), /is text or json, got 'yaml'/);
  assert.throws(() => takeDiagnosticsFlag(["eval", "--diagnostics"]), /got nothing/);
});

test("errors have the room they are of and the exit code", () => {
  class LocalStoreError extends FirnError {}
  assert.deepEqual(data(new LocalStoreError("storage", "full", { context: { bytes: 3 } })), {
    ...{ level: "error", exitCode: 1, text: "error: full", code: "local-store.storage", message: "full" },
    details: { bytes: 3 },
  });
  assert.equal(data(new CliError("usage", "what?"))?.exitCode, 2);
  assert.equal(data(new Interrupted("SIGTERM"))?.exitCode, 143);
  assert.equal(data(new TypeError("oops"))?.code, "internal");
});

test("internal-json is Nix's: names sorted, the text as people see it, places that may be null", () => {
  const place = { file: "/a.nix", line: 1, column: 2, excerpt: [] };
  const error: Diagnostic = {
    level: "error",
    code: "eval.type",
    message: "no",
    text: "error: no",
    trace: [{ message: "while", place }],
  };
  assert.equal(
    printDiagnostic(error, "internal-json"),
    '@nix {"action":"msg","column":null,"file":null,"level":0,"line":null,"msg":"error: no","raw_msg":"no","trace":[{"column":2,"file":"/a.nix","line":1,"raw_msg":"while"}]}',
  );
  const note: Diagnostic = { level: "info", code: "note", message: "so" };
  assert.equal(printDiagnostic(note, "internal-json"), '@nix {"action":"msg","level":3,"msg":"so"}');
  assert.equal(logFormatOf(["--eval", "--log-format", "internal-json"]), "internal-json");
  assert.equal(logFormatOf(["--log-format", "bar"]), "text");
});

test("notes and warnings are data too, and nothing is drawn over", async () => {
  const stderr = captured(true);
  const output = new Output(captured(), stderr, { noColor: false });
  output.format = "json";
  await output.warn("careful");
  await output.note("so");
  assert.equal(output.isLive, false);
  assert.equal(
    stderr.text(),
    '{"level":"warning","code":"warning","message":"careful"}\n{"level":"info","code":"note","message":"so"}\n',
  );
});

test("the page about diagnostics names every code of evaluation, syntax and command", () => {
  const page = readFileSync(join(ROOT, "docs", "diagnostics.md"), "utf8");
  const codes = (file: string) => {
    const source = readFileSync(join(ROOT, "packages", file), "utf8");
    const union = /export type \w+Code =([^;]*);/.exec(source)?.[1] ?? "";
    return [...union.matchAll(/"([a-z-]+)"/g)].map((match) => match[1]);
  };
  const expected = [
    ...codes("eval/src/error.ts").map((code) => `eval.${code}`),
    ...codes("cli/src/error.ts").map((code) => `cli.${code}`),
    ...codes("syntax/src/diagnostic.ts").map((code) => (code === "deprecated" ? "eval.deprecated" : code)),
  ];
  assert.ok(expected.length > 30);
  for (const code of expected) assert.ok(page.includes(`\`${code}\``), code);
});

describe("firn --diagnostics json", () => {
  const firn = makeFirn({ after });
  const lines = (err: string): Diagnostic[] =>
    err
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));

  test("an error of evaluation has its place with the lines around it, and its trace from the outside in", async () => {
    writeFileSync(join(firn.directory, "broken.nix"), "let\n  f = x: x + null;\nin f 1\n");
    const { code, out, err } = await firn.run(["eval", "--diagnostics", "json", "broken.nix"]);
    assert.deepEqual([code, out], [1, ""]);
    const [error, ...others] = lines(err);
    assert.deepEqual(others, []);
    const file = join(firn.directory, "broken.nix");
    const excerpt = (from: number) =>
      ["let", "  f = x: x + null;", "in f 1"].map((text, n) => ({ line: n + 1, text })).slice(from);
    const { trace, place, ...rest } = error;
    assert.deepEqual(rest, {
      ...{ level: "error", exitCode: 1, code: "eval.type", message: "cannot add null to an integer" },
    });
    assert.deepEqual(place, { file, line: 2, column: 14, excerpt: excerpt(0) });
    assert.deepEqual(
      trace?.map((frame) => [frame.message, frame.place?.line, frame.place?.column]),
      [
        ["from call site", 3, 4],
        ["while calling 'f'", 2, 7],
      ],
    );
  });

  test("traces, warnings and statistics are data as well", async () => {
    const program = 'builtins.trace "seen" (builtins.warn "odd" 1)';
    const { out, err } = await firn.run(["eval", "--diagnostics", "json", "--stats", "-E", program]);
    assert.equal(out, "1\n");
    const [trace, warning, statistics] = lines(err);
    assert.deepEqual(trace, { level: "trace", code: "trace", message: "seen" });
    assert.deepEqual(warning, { level: "warning", code: "evaluation-warning", message: "odd" });
    assert.equal(statistics.code, "statistics");
    assert.equal((statistics.details as { nrPrimOpCalls: number }).nrPrimOpCalls, 2);
  });

  test("a lint says where", async () => {
    const { runNixInstantiate } = await import("../src/compat/nix-instantiate.ts");
    const { session, stderr } = fakeSession(firn.directory, { env: { NIX_REMOTE: "dummy://" } });
    session.output.format = "json";
    const argv = ["--eval", "--lint-url-literals", "warn", "-E", "[\n http://x.y ]"];
    await runNixInstantiate(
      argv,
      { NIX_REMOTE: "dummy://", NIX_USER_CONF_FILES: "", NIX_CONF_DIR: "/nowhere" },
      session,
    );
    await session.close();
    const [lint] = lines(stderr.text());
    assert.equal(lint.code, "eval.lint");
    assert.deepEqual([lint.place?.line, lint.place?.column], [2, 2]);
    assert.ok(!lint.message.includes("\n"));
  });

  test("a mistake on the command line is data", async () => {
    const { code, err } = await firn.run(["eval", "--diagnostics", "json", "--nonsense"]);
    assert.equal(code, 2);
    assert.equal(lines(err)[0].code, "cli.usage");
  });
});
