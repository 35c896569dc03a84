// Public, in reading order.
export { LocalStoreError } from "./error.ts";
export type { LocalStoreErrorCode } from "./error.ts";
export { openLocalStore } from "./local-store.ts";
export type { LocalStore, LocalStoreOptions } from "./local-store.ts";
export type { Finding, FindingKind, VerifyOptions, VerifyReport, VerifySource } from "./verify.ts";
export type { GcOptions } from "./gc.ts";
export { openLocalStoreSync } from "./sync-store.ts";
export type { SyncStore } from "./sync-store.ts";
export { identityOfSelf, isAlive } from "./process-identity.ts";
export type { LeaseRecord, LocalLeases } from "./local-leases.ts";
export type { LocalRoots } from "./local-roots.ts";
