import {
  balancedBuildService,
  BuildError,
  type BuildService,
  type BuildServiceParts,
  proxiedBuildService,
} from "@firn/build";
import {
  attemptStoreContract,
  buildServiceContract,
  type ContractBuilder,
  type ContractService,
  liveLogsContract,
} from "@firn/build/contract";
import { MemoryDirectories } from "@firn/castore";
import { MemoryAttempts } from "../src/memory-attempts.ts";
import { MemoryLogs } from "../src/memory-logs.ts";
import { contractService, contractStores } from "./contract-service.ts";

attemptStoreContract("MemoryAttempts", () => new MemoryAttempts());
liveLogsContract("MemoryLogs", () => new MemoryLogs());
buildServiceContract("a local builder", (builders) => contractService(builders));
buildServiceContract("a balanced builder over two", (builders) => balanced(builders));
buildServiceContract("a balanced builder over two that keep their attempts in one place", (builders) =>
  balanced(builders, { attempts: new MemoryAttempts(), logs: new MemoryLogs() }),
);
buildServiceContract("a proxied builder whose connection breaks all the time", (builders) => {
  const inner = contractService(builders);
  const { supports } = inner.service;
  const broken = breaking(inner.service);
  return { ...inner, service: proxiedBuildService(async () => broken, { supports, delayMs: 0 }) };
});

function balanced(
  builders: Readonly<Record<string, ContractBuilder>>,
  shared: Pick<BuildServiceParts, "attempts" | "logs"> = {},
): ContractService {
  const stores = contractStores();
  const runs: string[] = [];
  let ids = 0;
  const now = () => ++ids;
  const parts = { ...shared, jobsMax: 1, now, newId: () => `attempt-${++ids}` };
  const members = [1, 2].map(() => contractService(builders, parts, stores, runs));
  const service = balancedBuildService({
    members: members.map((member, index) => ({ service: member.service, jobsMax: 1, isLocal: index === 0 })),
    blobs: stores.blobs,
    directories: new MemoryDirectories(stores.leases),
    leases: stores.leases,
    attempts: shared.attempts,
    now,
    newId: () => `balanced-${++ids}`,
  });
  const forgetOutputs = () => members.forEach((member) => member.forgetOutputs());
  return { service, runs: () => runs, file: members[0].file, forgetOutputs };
}

/** Every other call is lost before it is made, and every watch after a piece of log. */
function breaking(service: BuildService): BuildService {
  let calls = 0;
  const lost = () => new BuildError("storage", "the connection was lost", { retryable: true });
  const breaks = <A extends unknown[], T>(run: (...args: A) => Promise<T>) => {
    return async (...args: A): Promise<T> => {
      if (calls++ % 2 === 0) throw lost();
      return await run(...args);
    };
  };
  return {
    supports: service.supports,
    submit: breaks((...args: Parameters<BuildService["submit"]>) => service.submit(...args)),
    async *watch(id, options) {
      for await (const event of service.watch(id, options)) {
        yield event;
        if (event.type === "log") throw lost();
      }
    },
    cancel: breaks((id: string) => service.cancel(id)),
    refuse: breaks((...args: Parameters<BuildService["refuse"]>) => service.refuse(...args)),
    get: breaks((id: string) => service.get(id)),
    list: breaks((...args: Parameters<BuildService["list"]>) => service.list(...args)),
    recipe: breaks((...args: Parameters<BuildService["recipe"]>) => service.recipe(...args)),
  };
}
