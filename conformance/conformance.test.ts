/*
Every case of cases/ on Firn and on nix-instantiate: values as Nix and as JSON text, and for `drv-*` the bytes of every .drv file
in the closure.
*/

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { need } from "../dev/need.ts";
import { KNOWN_DIFFERENCES } from "./known-differences.ts";
import { type Outcome, Reference } from "./reference.ts";
import { Subject } from "./subject.ts";

const CASES = join(import.meta.dirname, "cases");
const names = readdirSync(CASES)
  .filter((file) => file.endsWith(".nix"))
  .map((file) => file.slice(0, -".nix".length))
  .sort();
const fileOf = (name: string) => join(CASES, `${name}.nix`);

/** Store paths of .drv files a .drv file names. */
function inputDerivations(text: string): string[] {
  return [...text.matchAll(/\("(\/nix\/store\/[0-9a-z]{32}-[^"\\]*\.drv)",\[/g)].map((match) => match[1]);
}

/** Store paths a .drv file names among its input sources. */
function inputSources(text: string): string[] {
  const list = /\],\[((?:"\/nix\/store\/[^"\\]*",?)*)\],"/.exec(text)?.[1] ?? "";
  return [...list.matchAll(/"([^"]*)"/g)].map((match) => match[1]);
}

describe("nix-instantiate agrees", need("nix-instantiate"), () => {
  let reference: Reference;
  let subject: Subject;
  before(() => {
    reference = new Reference();
    subject = new Subject();
  });
  after(async () => {
    await subject.close();
    reference.remove();
  });

  test("every known difference is one of a case", () => {
    for (const name of KNOWN_DIFFERENCES.keys()) assert.ok(names.includes(name), name);
  });

  for (const name of names.filter((name) => !name.startsWith("drv-"))) {
    for (const format of ["nix", "json"] as const) {
      test(`the value of ${name} as ${format === "nix" ? "Nix" : "JSON"} text is theirs`, async () => {
        const theirs = reference.value(fileOf(name), format);
        const ours = await subject.value(fileOf(name), format);
        const known = KNOWN_DIFFERENCES.get(name);
        const documented: Outcome | undefined = known?.failed
          ? { failed: true }
          : known?.[format] === undefined
            ? undefined
            : { text: known[format] };
        if (documented !== undefined)
          assert.notDeepEqual(documented, theirs, "the reference agrees: no entry is needed");
        if (format === "nix") assert.ok("text" in theirs || documented !== undefined, "the case evaluates");
        assert.deepEqual(ours, documented ?? theirs);
      });
    }
  }

  for (const name of names.filter((name) => name.startsWith("drv-"))) {
    test(`the derivations of ${name} are theirs byte for byte`, async () => {
      const theirs = reference.derivations(fileOf(name));
      const ours = await subject.derivations(fileOf(name));
      const documented = KNOWN_DIFFERENCES.get(name)?.derivations;
      if (documented !== undefined) {
        assert.notDeepEqual(documented, theirs, "the reference agrees: no entry is needed");
        return assert.deepEqual(ours, documented);
      }
      const seen = new Set<string>();
      // Derivations are compared from the leaves up, so that the first difference shown is the one that made the others.
      const compare = (path: string): void => {
        if (seen.has(path)) return;
        seen.add(path);
        const object = subject.objects.get(path);
        const text = object?.kind === "derivation" ? object.text : undefined;
        assert.ok(text !== undefined, `${path} was posted`);
        for (const input of inputDerivations(text)) compare(input);
        for (const source of inputSources(text)) {
          if (source.endsWith(".drv")) compare(source);
          else assert.ok(reference.has(source), `${source} is a source of theirs`);
          const made = subject.objects.get(source);
          if (made?.kind === "text") assert.equal(made.text, reference.storeText(source));
        }
        const reason = `${path} has other bytes there, or is not there`;
        const its = reference.storeText(path) ?? closestText(path, theirs, reference);
        assert.equal(text, its, reason);
      };
      for (const path of ours) compare(path);
      assert.deepEqual(ours, theirs);
    });
  }
});

/** Their derivation of the same name, to be shown in place of one they do not have. */
function closestText(path: string, roots: readonly string[], reference: Reference): string | undefined {
  const name = path.slice(path.indexOf("-"));
  const seen = new Set<string>();
  const queue = [...roots];
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    const text = reference.storeText(at);
    if (at.endsWith(name)) return text;
    if (text !== undefined) queue.push(...inputDerivations(text));
  }
  return undefined;
}
