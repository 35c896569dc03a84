/*
The shape of files: how long they are, how they begin, and what an index holds.
*/

import { type Finding, lineAt, type Tree } from "./tree.ts";

const LINES_MAX = 600;
const HEAD_CHARS_MIN = 20;

/** Files that may be longer, with the reason. An entry that is no longer needed is itself a finding. */
const LONG_FILES: ReadonlyMap<string, string> = new Map([]);

/** Source files parse, are not longer than 600 lines, and say in a head comment what they are. */
export function checkShape(tree: Tree, longFiles = LONG_FILES): Finding[] {
  const findings: Finding[] = [];
  for (const { path, text, comments, isTest, syntaxError } of tree.sources) {
    if (syntaxError !== undefined) findings.push({ path, line: 1, message: `does not parse: ${syntaxError}` });
    const lines = lineAt(text, text.length);
    if (lines > LINES_MAX && !longFiles.has(path)) {
      findings.push({
        path,
        line: LINES_MAX,
        message: `${lines} lines, ${LINES_MAX} are the most: split it by its nouns`,
      });
    }
    const isIndex = path.endsWith("/src/index.ts");
    const isDeclaration = path.endsWith(".d.ts");
    const head = comments[0];
    const hasHead = head?.isBlock && /^(?:#!.*\n)?\s*$/.test(text.slice(0, head.from));
    if (!isTest && !isIndex && !isDeclaration && !(hasHead && head.text.trim().length >= HEAD_CHARS_MIN)) {
      findings.push({ path, line: 1, message: "begin with a block comment: what it is, what it is not, the trick" });
    }
  }
  for (const [path, reason] of longFiles) {
    const text = tree.texts.get(path);
    if (text !== undefined && lineAt(text, text.length) > LINES_MAX) continue;
    findings.push({ path, line: 1, message: `is exempt from the length limit (${reason}) and need not be` });
  }
  return [...findings, ...checkIndexes(tree)];
}

/** An index.ts holds re-exports and nothing else. */
function checkIndexes(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const { path, text, program } of tree.sources) {
    if (!path.endsWith("/src/index.ts")) continue;
    for (const node of program) {
      if (node.type.startsWith("Export") && node.source) continue;
      findings.push({ path, line: lineAt(text, node.start), message: "an index only re-exports: move this to a file" });
    }
  }
  return findings;
}
