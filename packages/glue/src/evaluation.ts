/*
What `@firn/glue/evaluation` offers, in reading order: the store as an evaluation sees it. Apart from index.ts, so that who only builds does not
load an evaluator.
*/

export type { HostFiles, HostFileStatus } from "./host-files.ts";
export { EvalStore } from "./eval-store.ts";
export type { EvalStoreOptions, KnownDerivation, StoreFiles } from "./eval-store.ts";
export type { FetchRequest, OutputTarget, Realiser, RealiseRequest } from "./realiser.ts";
export { StoreIo } from "./eval-io.ts";
export type { StoreIoOptions } from "./eval-io.ts";
export { storeBuiltins } from "./store-builtins.ts";
