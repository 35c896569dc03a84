// Contract suites: every backend and every wrapper of a store interface runs them in its own tests.
export { pathInfoServiceContract } from "./path-info-service.ts";
export { realisationServiceContract } from "./realisation-service.ts";
export { storeUpkeepContract } from "./store-upkeep.ts";
