// Public, in reading order.
export { openObjectStore } from "./object-store.ts";
export type { ObjectStore } from "./object-store.ts";
