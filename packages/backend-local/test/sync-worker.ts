/* A thread of its own for the tests: reads from a store synchronously while the main thread has it open. */

import { parentPort, workerData } from "node:worker_threads";
import { openLocalStoreSync } from "@firn/backend-local";
import { collectSync } from "./sync-read.ts";

const store = openLocalStoreSync(workerData.dir);
parentPort?.postMessage(collectSync(store, workerData));
await store.close();
