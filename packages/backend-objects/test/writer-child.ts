/* A process of its own for the tests, to be killed. */

import { openObjectStore } from "@firn/backend-objects";
import { storeUntilKilled } from "@firn/castore/contract";

await storeUntilKilled(openObjectStore(process.argv[2]));
