/*
The graph of builds under way as rows of a terminal: what is wanted at the top, below it what it waits for, down to what is running. Only what leads
to something running, or to something that failed, gets a row; the rest of what waits is counted behind the name of what needs it.

A build that several others need stands below the first of them. A chain of builds that only wait for each other is one row, the first of the chain:
what is in between says nothing.
*/

import type { ByteString } from "@firn/base";

export type BuildStatus = "waiting" | "running" | "done" | "failed";

export type TreeRow = {
  /** What draws the branch this row hangs on, as wide as it is deep. */
  readonly branch: string;
  readonly drvPath: ByteString;
  readonly name: string;
  readonly status: BuildStatus;
  /** Builds below this one that wait and have no row. */
  readonly waiting: number;
};

type TreeNode = {
  readonly drvPath: ByteString;
  readonly name: string;
  readonly dependencies: readonly ByteString[];
  status: BuildStatus;
};

/** A row to be: its node and the rows below it. */
type Branch = { readonly node: TreeNode; readonly below: Branch[]; waiting: number };

export class BuildTree {
  readonly #nodes = new Map<ByteString, TreeNode>();
  /** What others need. */
  readonly #needed = new Set<ByteString>();

  /** Adds builds; dependencies that are not among them, now or later, are there already. */
  add(
    builds: Iterable<{
      readonly drvPath: ByteString;
      readonly name: string;
      readonly dependencies: readonly ByteString[];
    }>,
  ): void {
    for (const { drvPath, name, dependencies } of builds) {
      const status = this.#nodes.get(drvPath)?.status ?? "waiting";
      this.#nodes.set(drvPath, { drvPath, name, dependencies, status });
      for (const dependency of dependencies) this.#needed.add(dependency);
    }
  }

  /** A build begins, of which nothing may have been said before. */
  start(drvPath: ByteString, name: string): void {
    if (!this.#nodes.has(drvPath)) this.add([{ drvPath, name, dependencies: [] }]);
    this.set(drvPath, "running");
  }

  set(drvPath: ByteString, status: BuildStatus): void {
    const node = this.#nodes.get(drvPath);
    if (node !== undefined) node.status = status;
  }

  /** How many builds there are of each status. */
  counts(): Readonly<Record<BuildStatus, number>> {
    const counts = { waiting: 0, running: 0, done: 0, failed: 0 };
    for (const { status } of this.#nodes.values()) counts[status]++;
    return counts;
  }

  /** At most `rowsMax` rows; what running builds have no room for is left out with them. */
  rows(rowsMax: number): TreeRow[] {
    const seen = new Set<TreeNode>();
    const roots: Branch[] = [];
    for (const node of this.#nodes.values()) {
      if (this.#needed.has(node.drvPath)) continue;
      const branch = this.#branch(node, seen);
      if (branch !== undefined && (branch.below.length > 0 || isShown(node))) roots.push(branch);
    }
    const rows: TreeRow[] = [];
    const draw = ({ node, below, waiting }: Branch, branch: string, indent: string): void => {
      const { drvPath, name, status } = node;
      rows.push({ branch, drvPath, name, status, waiting });
      for (const [at, next] of below.entries()) {
        const isLast = at === below.length - 1;
        draw(next, `${indent}${isLast ? "└─ " : "├─ "}`, `${indent}${isLast ? "   " : "│  "}`);
      }
    };
    for (const root of roots) draw(root, "", "");
    return fitted(rows, rowsMax);
  }

  /** The node with what is below it, undefined when it is done or has its place already. */
  #branch(node: TreeNode, seen: Set<TreeNode>): Branch | undefined {
    if (node.status === "done" || seen.has(node)) return undefined;
    seen.add(node);
    const branch: Branch = { node, below: [], waiting: 0 };
    for (const dependency of node.dependencies) {
      const child = this.#nodes.get(dependency);
      const found = child === undefined ? undefined : this.#branch(child, seen);
      if (found === undefined) continue;
      if (isShown(found.node)) branch.below.push(found);
      else if (found.below.length === 0) branch.waiting += 1 + found.waiting;
      else if (found.below.length === 1) {
        // A link of a chain.
        branch.below.push(...found.below);
        branch.waiting += 1 + found.waiting;
      } else branch.below.push(found);
    }
    return branch;
  }
}

/** Whether it has a row of its own, whatever is below it. */
function isShown({ status }: Pick<TreeNode, "status">): boolean {
  return status === "running" || status === "failed";
}

/** Leaves rows out from the end, but keeps what hangs on nothing that is left out. */
function fitted(rows: readonly TreeRow[], rowsMax: number): TreeRow[] {
  if (rows.length <= rowsMax) return [...rows];
  const active = rows.filter(isShown);
  if (active.length >= rowsMax) return active.slice(0, rowsMax).map((row) => ({ ...row, branch: "" }));
  return rows.slice(0, rowsMax);
}
