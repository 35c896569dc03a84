/* Every line of expressions.txt is read as nix-instantiate reads it: the same tree, or refused by both. */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { need } from "../dev/need.ts";
import { type Outcome, Reference } from "./reference.ts";
import { Subject } from "./subject.ts";

/** Trees that print in another form and mean the same: the form of 2.35.2. */
const OTHER_FORMS: ReadonlyMap<string, string> = new Map([
  // 2.20 prints names inherited from one place together.
  [`{ inherit "a" \${"b"}; }`, "{ inherit a b; }"],
  // 2.14 escapes a dollar only where it would open an interpolation.
  [`"$\${a}"`, '"$\\${a}"'],
]);
/** Lines whose parts Firn joins already while parsing; the strings are the same. */
const JOINED: ReadonlyMap<string, string> = new Map([["''  ${a}''", "(a)"]]);
/** Application nested in the tree where Nix keeps one list of arguments, or the other way round. */
const NESTED: ReadonlyMap<string, string> = new Map([["<a>/b", '((__findFile __nixPath "a") /b)']]);

const lines = readFileSync(join(import.meta.dirname, "expressions.txt"), "latin1")
  .trimEnd()
  .split("\n");

describe("nix-instantiate --parse agrees", need("nix-instantiate"), () => {
  const directory = mkdtempSync(join(tmpdir(), "firn-parse-"));
  let reference: Reference;
  let subject: Subject;
  before(() => {
    reference = new Reference();
    subject = new Subject();
  });
  after(async () => {
    await subject.close();
    reference.remove();
    rmSync(directory, { recursive: true });
  });

  for (const line of lines) {
    test(`${line} is the same to both`, async () => {
      const file = join(directory, "line.nix");
      // Below a `with`, no variable is undefined.
      writeFileSync(file, `with { };\n${line}`, "latin1");
      const theirs = bare(reference.parse(file));
      const ours = bare(await subject.parse(file));
      const expected = OTHER_FORMS.get(line) ?? JOINED.get(line) ?? NESTED.get(line);
      if (expected === undefined) return assert.deepEqual(ours, theirs);
      assert.notDeepEqual(theirs, { text: expected }, "they agree: no entry is needed");
      assert.deepEqual(ours, { text: expected });
    });
  }
});

/** The tree without the `with`; paths without the directory, and `~` for its home. */
function bare(outcome: Outcome): Outcome {
  if (!("text" in outcome)) return outcome;
  return {
    text: outcome.text
      // 2.35 puts no space behind the last name.
      .replaceAll(/(inherit(?: \([^()]*\))?(?: [^ ;=()]+)*) ;/g, "$1;")
      .replace(/^\(with \{ \}; ([\s\S]*)\)$/, "$1")
      .replaceAll(/\/[^ ()]*firn-parse-[^/ )]*/g, "")
      .replaceAll(/\/[^ ()]*firn-conformance-[^/ )]*/g, "~"),
  };
}
