/*
Our own rules about the repository, those no linter knows: directions between rooms, import cycles, shape of files,
banned constructs, package.json files, traces of one machine, tests that a page promises. A test runs them (test/tidy.test.ts); run by hand this
file prints what they find. Each rule says what to do instead.
*/

import { join } from "node:path";
import { checkBanned } from "./tidy/banned.ts";
import { checkCycles } from "./tidy/cycles.ts";
import { checkManifests } from "./tidy/manifests.ts";
import { checkRooms } from "./tidy/rooms.ts";
import { checkSecurity } from "./tidy/security.ts";
import { checkShape } from "./tidy/shape.ts";
import { checkTraces } from "./tidy/traces.ts";
import { type Finding, readTree, type Tree } from "./tidy/tree.ts";

/** Every rule, by the name its test has. */
export const RULES: Readonly<Record<string, (tree: Tree) => Finding[]>> = {
  "rooms import only downwards, and Node only where Node may be": checkRooms,
  "no import cycles": checkCycles,
  "files are short and say what they are": checkShape,
  "nothing banned is used": checkBanned,
  "package.json files name what is imported, exactly": checkManifests,
  "no traces of one machine": checkTraces,
  "docs/security.md names tests that there are": checkSecurity,
};

/** Findings as lines `path:line: message`. */
export function formatFindings(findings: readonly Finding[]): string {
  return findings.map(({ path, line, message }) => `${path}:${line}: ${message}\n`).join("");
}

if (import.meta.main) {
  const tree = readTree(join(import.meta.dirname, ".."));
  const findings = Object.values(RULES).flatMap((rule) => rule(tree));
  process.stdout.write(formatFindings(findings));
  process.exitCode = findings.length === 0 ? 0 : 1;
}
