// Public, in reading order. First the evaluator's side: what an evaluation sees of the store.
export type { PendingObject } from "./pending.ts";
export type { HostFiles, HostFileStatus } from "./host-files.ts";
export { EvalStore } from "./eval-store.ts";
export type { EvalStoreOptions, KnownDerivation, StoreFiles } from "./eval-store.ts";
export { StoreIo } from "./eval-io.ts";
export type { StoreIoOptions } from "./eval-io.ts";
export { storeBuiltins } from "./store-builtins.ts";
