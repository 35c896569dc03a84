/*
Reads every path of a store that may be damaged, and says of each the SHA-256 of the NAR it got, or how that failed. With `verify` says what a
verification finds. It may be ended by what is wrong with the store.

    node torture-reader.ts STORE [verify]
*/

import { openLocalStore } from "@firn/backend-local";
import { toHex } from "@firn/hash";
import { calculateNar } from "@firn/store";

const [dir, verify] = process.argv.slice(2);
await using store = await openLocalStore(dir, { create: false });
if (verify !== undefined) {
  const { findings } = await store.verify({ nar: true });
  process.stdout.write(`findings ${findings.length}\n`);
} else {
  for await (const { path, node } of store.pathInfos.list()) {
    try {
      process.stdout.write(`${path} ${toHex((await calculateNar(node, store)).narSha256)}\n`);
    } catch (thrown) {
      process.stdout.write(`${path} failed: ${(thrown as Error).message.replaceAll("\n", " ")}\n`);
    }
  }
  process.stdout.write("end\n");
}
