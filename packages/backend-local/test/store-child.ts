/* A process of its own for the tests: imports a tree into a store, shows it, and prints the node and where it is. */

import { openLocalStore } from "@firn/backend-local";

const [dir, tree] = process.argv.slice(2);
await using store = await openLocalStore(dir);
process.stdout.write("open\n");
const node = await store.importer.importTree(tree);
const { hostPaths } = await store.exposer.expose([node]);
process.stdout.write(`${JSON.stringify({ node, path: hostPaths[0] })}\n`);
