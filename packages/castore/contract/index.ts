// Contract suites: every backend and every wrapper of a castore interface runs them in its own tests.
export { blobServiceContract } from "./blob-service.ts";
export { directoryServiceContract } from "./directory-service.ts";
export { leaseServiceContract } from "./lease-service.ts";
export { killedWriterContract, storeUntilKilled } from "./killed-writer.ts";
