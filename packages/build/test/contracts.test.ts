import { attemptStoreContract, buildServiceContract, liveLogsContract } from "@firn/build/contract";
import { MemoryAttempts } from "../src/memory-attempts.ts";
import { MemoryLogs } from "../src/memory-logs.ts";
import { contractService } from "./contract-service.ts";

attemptStoreContract("MemoryAttempts", () => new MemoryAttempts());
liveLogsContract("MemoryLogs", () => new MemoryLogs());
buildServiceContract("a local builder", (builders) => contractService(builders));
