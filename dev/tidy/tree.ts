/*
The checkout as the tidy rules see it: every text file by its path, and every source file parsed. It can also be made
from a table of texts, which is how each rule's own test gives it a small tree with one thing wrong.
*/

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSync } from "oxc-parser";

/** One thing that is not as it should be, and what to do instead. */
export type Finding = { readonly path: string; readonly line: number; readonly message: string };

/** A node of the syntax tree, as ESTree with TypeScript has it. Only `type` and the range are known of all. */
export type AstNode = { readonly type: string; readonly start: number; readonly end: number } & {
  readonly [field: string]: unknown;
};

export type Comment = { readonly isBlock: boolean; readonly text: string; readonly from: number };

export type Import = {
  readonly specifier: string;
  readonly from: number;
  /** True for `import type` and `export type … from`: erased before anything runs. */
  readonly typeOnly: boolean;
};

/** A TypeScript or CommonJS file. Ranges are in UTF-16 units. */
export type Source = {
  readonly path: string;
  readonly text: string;
  /** The folder below packages/, or undefined outside. */
  readonly room: string | undefined;
  /** Below a test/ or contract/ folder, or named as a test. */
  readonly isTest: boolean;
  readonly program: readonly AstNode[];
  readonly comments: readonly Comment[];
  readonly imports: readonly Import[];
  readonly syntaxError: string | undefined;
};

export type Tree = {
  /** Text of every file by path relative to the root, with `/`. */
  readonly texts: ReadonlyMap<string, string>;
  readonly sources: readonly Source[];
};

const SKIPPED_FOLDERS = new Set(["node_modules", ".git", "dist", ".cache", "fixtures", "golden"]);
const BINARY = /\.(?:png|ico|gz|xz|zst|wasm|nar|deb|mdb|dir)$/;

/** The tree of the checkout at `root`. Symlinks are not followed. */
export function readTree(root: string): Tree {
  const texts = new Map<string, string>();
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory() && !SKIPPED_FOLDERS.has(entry.name)) walk(path);
      if (entry.isFile() && !BINARY.test(path)) texts.set(path, readFileSync(join(root, path), "utf8"));
    }
  };
  walk("");
  return treeOf(texts);
}

/** The tree of the given texts, by path. */
export function treeOf(texts: ReadonlyMap<string, string>): Tree {
  const sources: Source[] = [];
  for (const [path, text] of texts) if (/\.(?:ts|cjs)$/.test(path)) sources.push(parse(path, text));
  return { texts, sources };
}

/** Line of a position, from 1. */
export function lineAt(text: string, pos: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < pos; at = text.indexOf("\n", at + 1)) line++;
  return line;
}

/** Calls `visit` on every node below (and with) the given ones, parents first. */
export function visitNodes(nodes: readonly AstNode[], visit: (node: AstNode) => void): void {
  const queue: unknown[] = [...nodes].reverse();
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    if (isNode(next)) visit(next);
    for (const child of Object.values(next as object).reverse()) {
      if (typeof child === "object" && child !== null) queue.push(child);
    }
  }
}

function isNode(value: unknown): value is AstNode {
  return typeof (value as AstNode).type === "string" && typeof (value as AstNode).start === "number";
}

function parse(path: string, text: string): Source {
  const parsed = parseSync(path, text);
  const program = parsed.program.body as unknown as AstNode[];
  const imports: Import[] = [];
  for (const { start, moduleRequest } of parsed.module.staticImports) {
    imports.push({ specifier: moduleRequest.value, from: start, typeOnly: /^import\s+type\b/.test(text.slice(start)) });
  }
  for (const { start, entries } of parsed.module.staticExports) {
    const specifier = entries.find((entry) => entry.moduleRequest)?.moduleRequest?.value;
    if (specifier === undefined) continue;
    imports.push({ specifier, from: start, typeOnly: /^export\s+type\b/.test(text.slice(start)) });
  }
  visitNodes(program, (node) => {
    const specifier = indirectImport(node);
    if (specifier !== undefined) {
      imports.push({ specifier, from: node.start, typeOnly: node.type === "TSImportType" });
    }
  });
  const [, room] = /^packages\/([^/]+)\//.exec(path) ?? [];
  return {
    path,
    text,
    room,
    isTest: /(?:^|\/)(?:test|contract)\//.test(path) || /\.test\.ts$/.test(path),
    program,
    comments: parsed.comments.map(({ type, value, start }) => ({
      isBlock: type === "Block",
      text: value,
      from: start,
    })),
    imports,
    syntaxError: parsed.errors[0]?.message,
  };
}

function isRequire(callee: AstNode): boolean {
  if (callee.type === "CallExpression") return (callee.callee as AstNode).name === "createRequire";
  return callee.name === "require";
}

/** What `import("…")`, `require("…")`, `createRequire(…)("…")` or the type `import("…")` names, when the node is one and it names a text. */
function indirectImport(node: AstNode): string | undefined {
  let source: unknown;
  if (node.type === "ImportExpression" || node.type === "TSImportType") source = node.source;
  if (node.type === "CallExpression" && isRequire(node.callee as AstNode)) {
    source = (node.arguments as AstNode[])[0];
  }
  const value = (source as AstNode | undefined)?.value;
  return typeof value === "string" ? value : undefined;
}
