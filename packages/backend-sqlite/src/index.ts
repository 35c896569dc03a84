// Public, in reading order.
export { SqliteStoreError } from "./error.ts";
export type { SqliteStoreErrorCode } from "./error.ts";
export { openSqliteStore } from "./sqlite-store.ts";
export type { SqliteStore } from "./sqlite-store.ts";
export { openBuildRecords } from "./build-records.ts";
export type { BuildRecords, BuildRecordsOptions } from "./build-records.ts";
export type { AttemptProcess, AttemptRetention } from "./sqlite-attempts.ts";
