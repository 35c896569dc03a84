// Contract suites: every builder and every place that keeps attempts or logs runs them in its own tests.
export { attemptStoreContract } from "./attempt-store.ts";
export { buildServiceContract } from "./build-service.ts";
export type { ContractBuilder, ContractService } from "./build-service.ts";
export { liveLogsContract } from "./live-logs.ts";
