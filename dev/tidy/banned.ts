/*
What is not written in Firn, and what to write instead: calls that reach past the interfaces (clock, randomness,
environment, terminal), marks that silence a checker, things left over from debugging, notes without an issue.
*/

import { isNodeFree } from "./rooms.ts";
import { type AstNode, type Finding, lineAt, type Source, type Tree, visitNodes } from "./tree.ts";

/** Rooms whose business is the machine: they may ask what time it is. */
const CLOCK_ROOMS = new Set(["backend-local", "sandbox", "cli"]);

type Ban = {
  /** Whether the node is an instance of it. */
  readonly matches: (node: AstNode) => boolean;
  readonly appliesTo: (source: Source) => boolean;
  readonly message: string;
};

const inRooms = (source: Source): boolean => source.room !== undefined && !source.isTest;
const inRoomsButCli = (source: Source): boolean => inRooms(source) && source.room !== "cli";
const everywhere = (): boolean => true;

const BANS: readonly Ban[] = [
  {
    matches: (node) => isMember(node, "console"),
    appliesTo: (source) => source.isTest || inRoomsButCli(source),
    message: "console: only cli writes to a terminal; throw, return, or use t.diagnostic in a test",
  },
  {
    matches: (node) => isMember(node, "process", "env"),
    appliesTo: inRoomsButCli,
    message: "process.env: only cli reads the environment; take the value as an argument",
  },
  {
    matches: (node) => isMember(node, "process", "exit"),
    appliesTo: (source) => source.room !== "cli" || source.isTest,
    message: "process.exit cuts off output: set process.exitCode, or throw",
  },
  {
    matches: (node) => isMember(node, "Math", "random"),
    appliesTo: everywhere,
    message: "Math.random: crypto.getRandomValues for names, fast-check in tests",
  },
  {
    matches: (node) => isMember(node, "Date", "now") || isMember(node, "performance", "now") || isDateOfNow(node),
    appliesTo: (source) => inRooms(source) && !CLOCK_ROOMS.has(source.room ?? ""),
    message: "the clock: take the time as an argument or through an interface",
  },
  {
    matches: (node) => isGlobal(node, "NewExpression", "Function") || isGlobal(node, "CallExpression", "Function"),
    appliesTo: everywhere,
    message: "new Function: code made from text is refused; use closures",
  },
  {
    matches: (node) => isGlobal(node, "CallExpression", "eval"),
    appliesTo: everywhere,
    message: "eval: code made from text is refused; use closures",
  },
  {
    // A declared `any` is biome's to judge, which accepts one with a reason; a cast hides what is cast.
    matches: (node) => node.type === "TSAsExpression" && (node.typeAnnotation as AstNode).type === "TSAnyKeyword",
    appliesTo: inRooms,
    message: "as any: write unknown and narrow it, or name the type",
  },
  {
    matches: (node) =>
      isMember(node, "process") || isMember(node, "Buffer") || isGlobal(node, "CallExpression", "require"),
    appliesTo: isNodeFree,
    message: "a Node global in a room that runs in browsers: Uint8Array and @firn/base do",
  },
  {
    matches: (node) => node.type === "DebuggerStatement",
    appliesTo: everywhere,
    message: "debugger: left over from debugging",
  },
  {
    matches: (node) =>
      isMember(node, "test", "only") || isMember(node, "it", "only") || isMember(node, "describe", "only"),
    appliesTo: (source) => source.isTest,
    message: "only: left over from debugging, it silences the other tests",
  },
];

const NOTES = /\b(?:TODO|FIXME|XXX|HACK)\b/;
const SILENCERS = /@ts-(?:ignore|nocheck|expect-error)|biome-ignore-all|eslint-disable/;

/** No banned construct, no note without an issue, no checker silenced without a reason. */
export function checkBanned(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const source of tree.sources) {
    const report = (pos: number, message: string): void => {
      findings.push({ path: source.path, line: lineAt(source.text, pos), message });
    };
    const bans = BANS.filter((ban) => ban.appliesTo(source));
    visitNodes(source.program, (node) => {
      for (const ban of bans) if (ban.matches(node)) report(node.start, ban.message);
    });
    if (source.path.startsWith("dev/tidy/")) continue; // these files name what they forbid
    for (const { text, from } of source.comments) {
      if (NOTES.test(text)) report(from, "a note for later: open an issue, or write NEEDSWORK: and the question");
      if (SILENCERS.test(text)) report(from, "a checker silenced: mend what it says");
    }
  }
  return findings;
}

/** `object.name`, or any member of `object`. */
function isMember(node: AstNode, object: string, name?: string): boolean {
  if (node.type !== "MemberExpression") return false;
  const target = node.object as AstNode;
  if (target.type !== "Identifier" || target.name !== object) return false;
  return name === undefined || (node.property as AstNode).name === name;
}

function isGlobal(node: AstNode, type: "NewExpression" | "CallExpression", name: string): boolean {
  return node.type === type && (node.callee as AstNode).type === "Identifier" && (node.callee as AstNode).name === name;
}

function isDateOfNow(node: AstNode): boolean {
  return isGlobal(node, "NewExpression", "Date") && (node.arguments as AstNode[]).length === 0;
}
