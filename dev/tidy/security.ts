/*
docs/security.md is believed only as far as tests stand behind it: every row of its tables names tests, and each of them exists in the file it is said to be in.
A name is as node:test prints it, describe and test apart by ` > `; where the source makes it of a template, what stands in the template's holes is in the file too.
*/

import { type AstNode, type Finding, type Source, type Tree, visitNodes } from "./tree.ts";

const PAGE = "docs/security.md";
/** `[text](../path)`, or a test's name between its marks. */
const FILE_OR_NAME = /\]\(\.\.\/([^)\s]+)\)|“([^”]+)”/g;
const REGISTERING = new Set(["test", "it", "describe"]);

/** Every row of the page's tables names at least one test, and only such as there are. */
export function checkSecurity(tree: Tree): Finding[] {
  const lines = tree.texts.get(PAGE)?.split("\n") ?? [];
  const sources = new Map(tree.sources.map((source) => [source.path, source]));
  const findings: Finding[] = [];
  for (const [at, text] of lines.entries()) {
    if (!text.startsWith("|") || /^\|[-| ]+$/.test(text) || /^\|[-| ]+$/.test(lines[at + 1] ?? "")) continue;
    const report = (message: string): void => void findings.push({ path: PAGE, line: at + 1, message });
    let source: Source | undefined;
    let count = 0;
    for (const [, path, name] of text.matchAll(FILE_OR_NAME)) {
      if (path !== undefined) {
        source = sources.get(path);
        if (source === undefined) report(`there is no ${path}`);
        continue;
      }
      count++;
      if (source !== undefined && !isTestIn(source, name)) report(`${source.path} has no test “${name}”`);
    }
    if (count === 0) report("names no test: write one, or take the row out");
  }
  return findings;
}

function isTestIn(source: Source, name: string): boolean {
  const titles = titlesIn(source);
  return name.split(" > ").every((part) =>
    titles.some((title) => {
      const holes = title.exec(part)?.slice(1);
      return holes?.every((hole) => source.text.includes(hole));
    }),
  );
}

/** What tests and suites of the file are called, with a group for each hole of a template. */
function titlesIn({ program }: Source): RegExp[] {
  const titles: RegExp[] = [];
  visitNodes(program, (node) => {
    if (node.type !== "CallExpression" || !REGISTERING.has((node.callee as AstNode).name as string)) return;
    const [title] = node.arguments as AstNode[];
    if (title?.type === "Literal") titles.push(new RegExp(`^${RegExp.escape(String(title.value))}$`));
    if (title?.type !== "TemplateLiteral") return;
    const texts = (title.quasis as { readonly value: { readonly cooked: string } }[]).map(({ value }) => value.cooked);
    titles.push(new RegExp(`^${texts.map((text) => RegExp.escape(text)).join("(.+)")}$`));
  });
  return titles;
}
