/*
Graphs of store paths as text: the tree of `nix-store --query --tree`, the DOT of `--graph`, the XML of `--graphml`, byte for byte as C++ Nix
draws them.
*/

import type { StorePath } from "@firn/nix-compat";
import { type PathGraph, setOf } from "./path-graph.ts";

const COLOURS = ["black", "red", "green", "blue", "magenta", "burlywood"];
const GRAPHML_HEAD = `<?xml version='1.0' encoding='utf-8'?>
<graphml xmlns='http://graphml.graphdrawing.org/xmlns'
    xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'
    xsi:schemaLocation='http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd'>
<key id='narSize' for='node' attr.name='narSize' attr.type='long'/><key id='name' for='node' attr.name='name' attr.type='string'/><key id='type' for='node' attr.name='type' attr.type='string'/><graph id='G' edgedefault='directed'>
`;

type Branch = { readonly path: StorePath; readonly first: string; readonly tail: string };

/** The references below each root. A path that was drawn already is not drawn again. */
export async function* treeLines(
  roots: readonly StorePath[],
  graph: PathGraph,
  printed: (path: StorePath) => string,
): AsyncGenerator<string, void> {
  const done = new Set<string>();
  for (const root of roots) {
    const stack: Branch[] = [{ path: root, first: "", tail: "" }];
    for (let branch = stack.pop(); branch !== undefined; branch = stack.pop()) {
      const { path, first, tail } = branch;
      if (done.has(path.toString())) {
        yield `${first}${printed(path)} [...]`;
        continue;
      }
      done.add(path.toString());
      yield first + printed(path);
      // Dependencies first: what one reference needs of another is drawn below that, which keeps the tree flat.
      const references = await graph.sorted(setOf((await graph.info(path)).references));
      references.reverse().forEach((reference, index) => {
        const isLast = index === 0; // of those drawn; the stack turns them round
        stack.push({
          path: reference,
          first: tail + (isLast ? "└───" : "├───"),
          tail: tail + (isLast ? "    " : "│   "),
        });
      });
    }
  }
}

/** A digraph whose edges lead from a reference to what refers to it. */
export async function dotGraph(roots: readonly StorePath[], graph: PathGraph): Promise<string> {
  let text = "digraph G {\n";
  let edges = 0;
  await visit(roots, graph, async (path, references) => {
    text += `"${path}" [label = "${path.name}", shape = box, style = filled, fillcolor = "#ff0000"];\n`;
    for (const reference of references)
      text += `"${reference}" -> "${path}" [color = "${COLOURS[edges++ % COLOURS.length]}"];\n`;
  });
  return `${text}}\n`;
}

/** The same in GraphML, edges the other way round. A node's name is cut behind its first dash, as in C++ Nix. */
export async function graphMl(roots: readonly StorePath[], graph: PathGraph): Promise<string> {
  let text = GRAPHML_HEAD;
  await visit(roots, graph, async (path, references) => {
    const { narSize } = await graph.info(path);
    const name = path.name.slice(0, path.name.indexOf("-") + 1);
    text += `  <node id="${path}">\n    <data key="narSize">${narSize}</data>\n    <data key="name">${name}</data>\n`;
    text += `    <data key="type">${path.isDerivation ? "derivation" : "output-path"}</data>\n  </node>\n`;
    for (const reference of references) text += `  <edge source="${path}" target="${reference}"/>\n`;
  });
  return `${text}</graph>\n</graphml>\n`;
}

/** Each path of the closure once, the least of those that wait first. */
async function visit(
  roots: readonly StorePath[],
  graph: PathGraph,
  draw: (path: StorePath, references: readonly StorePath[]) => Promise<void>,
): Promise<void> {
  const waiting = setOf(roots);
  const done = new Set<string>();
  while (waiting.size > 0) {
    const name = [...waiting.keys()].reduce((least, other) => (other < least ? other : least));
    const path = waiting.get(name) as StorePath;
    waiting.delete(name);
    done.add(name);
    const references = (await graph.info(path)).references.filter((reference) => !reference.equals(path));
    for (const reference of references)
      if (!done.has(reference.toString())) waiting.set(reference.toString(), reference);
    await draw(path, references);
  }
}
