/*
Fixtures: fixtures/ok/x.nix has its tree in x.txt, fixtures/err/x.nix its diagnostics as `code line:column message`. UPDATE=1 writes the texts.
*/

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { lineColumnOf } from "../src/position.ts";
import { parse } from "../src/parse.ts";
import { dump } from "./dump.ts";

const FIXTURES = join(import.meta.dirname, "fixtures");

function described(source: string): string {
  const { tree, diagnostics } = parse(source);
  if (diagnostics.length === 0) return dump(tree);
  return diagnostics
    .map(({ code, message, from }) => {
      const { line, column } = lineColumnOf(source, from);
      return `${code} ${line}:${column} ${message}`;
    })
    .join("\n");
}

for (const kind of ["ok", "err"]) {
  const folder = join(FIXTURES, kind);
  const files = readdirSync(folder);
  for (const file of files.filter((name) => name.endsWith(".nix"))) {
    test(`${kind}/${file} reads as written beside it`, () => {
      const source = readFileSync(join(folder, file), "latin1");
      const { diagnostics } = parse(source);
      assert.equal(diagnostics.length === 0, kind === "ok");
      const expected = join(folder, file.replace(/\.nix$/, ".txt"));
      const text = `${described(source)}\n`;
      if (process.env.UPDATE === "1") writeFileSync(expected, text, "latin1");
      assert.equal(text, readFileSync(expected, "latin1"));
    });

    test(`no prefix of ${kind}/${file} makes the parser throw`, () => {
      const source = readFileSync(join(folder, file), "latin1");
      for (let length = 0; length < source.length; length++) parse(source.slice(0, length));
      assert.ok(existsSync(join(folder, file)));
    });
  }

  test(`every text in ${kind} belongs to a source`, () => {
    for (const file of files.filter((name) => name.endsWith(".txt"))) {
      assert.ok(files.includes(file.replace(/\.txt$/, ".nix")), `${file} is an orphan`);
    }
  });
}
