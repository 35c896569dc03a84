/*
`firn build` and readers in some processes, `firn store gc` in another, over one store. Builders share most of their derivations, so that each
relies on what another made and a collection would like to delete. What must hold: every build ends well, every result says what it should while
its link is there, and the store is sound at the end.
*/

import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Ended, Firn } from "./firn.ts";

/** No space for files, so that each is removed as soon as it may be. */
const env = { FIRN_FILES_MAX: "1" };
const CHAIN = 5;
const KINDS = 3;

export type Beside = { readonly builds: number; readonly collections: number; readonly deleted: number };

/** Lets `builders` processes at a time build until `isEnough` says so of the number of builds begun; `random` yields whole numbers below its argument. */
export async function garbageBesideBuilds(
  firn: Firn,
  builders: number,
  isEnough: (builds: number) => boolean,
  random: (below: number) => number,
): Promise<Beside> {
  let builds = 0;
  let running = builders;
  let collections = 0;
  let deleted = 0;
  const builder = async (number: number) => {
    const link = `result-${number}`;
    while (!isEnough(builds)) {
      builds++;
      const [kind, last] = [random(KINDS), random(1000)];
      const built = await firn.run(["build", "-q", "-E", expressionOf(kind, last), "-o", link], { env });
      assertWell(built, "a build");
      assert.equal(readFileSync(join(firn.directory, link), "latin1"), contentsOf(kind, last), "what the link shows");
      if (random(2) === 0) {
        const read = await firn.run(["store", "cat", `./${link}`], { env });
        assertWell(read, "a reader");
        assert.equal(read.out, contentsOf(kind, last), "what a reader is told");
      }
      if (random(2) === 0) rmSync(join(firn.directory, link));
    }
    running--;
  };
  const collector = async () => {
    while (running > 0) {
      const ended = await firn.run(["store", "gc", "--json"], { env });
      assertWell(ended, "a collection");
      collections++;
      deleted += (JSON.parse(ended.out) as { readonly deadPaths: readonly string[] }).deadPaths.length;
    }
  };
  await Promise.all([...Array.from({ length: builders }, (_, number) => builder(number)), collector()]);
  const verified = await firn.run(["store", "verify", "--nar"]);
  assertWell(verified, "verification");
  assert.match(verified.out, /: no damage\n$/);
  return { builds, collections, deleted };
}

function assertWell({ code, err, out }: Ended, what: string): void {
  assert.equal(code, 0, `${what} ended with ${code}: ${err}${out}`);
}

/** A chain of derivations, each of which copies the one before and adds a line; only the last is nobody else's. */
function expressionOf(kind: number, last: number): string {
  const copy = `while read -r line; do echo "$line"; done < $before > $out; echo "$text" >> $out`;
  return `let
    link = before: text: derivation {
      name = "link"; system = builtins.currentSystem; builder = "/bin/sh"; inherit before text;
      args = [ "-euc" ''${copy}'' ];
    };
    chain = n: if n == 0 then builtins.toFile "begin" "kind ${kind}\\n" else link (chain (n - 1)) "line \${toString n}";
  in link (chain ${CHAIN}) "last ${last}"`;
}

function contentsOf(kind: number, last: number): string {
  const lines = Array.from({ length: CHAIN }, (_, at) => `line ${at + 1}\n`);
  return `kind ${kind}\n${lines.join("")}last ${last}\n`;
}
