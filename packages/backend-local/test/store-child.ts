/* A process of its own for the tests: imports a tree into a store, shows it, prints the node and where it is, and goes on showing it when it is to `hold`. */

import { openLocalStore } from "@firn/backend-local";

const [dir, tree, hold] = process.argv.slice(2);
await using store = await openLocalStore(dir);
process.stdout.write("open\n");
const node = await store.importer.importTree(tree);
const { hostPaths } = await store.exposer.expose([node]);
process.stdout.write(`${JSON.stringify({ node, path: hostPaths[0] })}\n`);
if (hold !== undefined) for await (const _ of process.stdin);
