/*
Traces of the machine a change was made on: names of package registries, tokens, absolute paths of somebody's checkout,
conflict marks. Looked for in every text of the tree, the lock file included.
*/

import { type Finding, lineAt, type Tree } from "./tree.ts";

const TRACES: readonly { readonly pattern: RegExp; readonly message: string }[] = [
  { pattern: /registry\.[a-z0-9-]+\.[a-z]{2,}|npmjs\.(?:org|com)|^registry\s*=/m, message: "names a package registry" },
  {
    pattern: /"resolved": "https?:/,
    message: "names where a package was fetched: set omit-lockfile-registry-resolved",
  },
  { pattern: /_authToken|BEGIN (?:RSA |OPENSSH |EC )?PRIVATE KEY/, message: "holds a secret" },
  { pattern: /(?:^|[\s"'`(=])\/(?:work|home|Users)\/[a-z]+\/[a-z]/m, message: "names a path of one machine" },
  { pattern: /^(?:<{7}|>{7}) /m, message: "holds the marks of a merge conflict" },
];

/** No text names a registry, a secret, a path of one machine, or an unresolved conflict. */
export function checkTraces(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const [path, text] of tree.texts) {
    if (path.startsWith("dev/tidy/") || path === "dev/test/tidy.test.ts") continue; // these spell out what they look for
    for (const { pattern, message } of TRACES) {
      const found = pattern.exec(text);
      if (found !== null) findings.push({ path, line: lineAt(text, found.index + 1), message });
    }
  }
  return findings;
}
