/* A process of its own for the tests, to be killed. */

import { openSqliteStore } from "@firn/backend-sqlite";
import { storeUntilKilled } from "@firn/castore/contract";

await storeUntilKilled(openSqliteStore(process.argv[2]));
