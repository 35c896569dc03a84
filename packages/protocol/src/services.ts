/* All handlers that a server of a store has, in one list. */

import type { DescService } from "@bufbuild/protobuf";
import type { BuildService } from "@firn/build";
import type { CastoreServices, LeaseService } from "@firn/castore";
import type { NarCalculator, PathInfoService, StoreUpkeep } from "@firn/store";
import { buildHandlers } from "./build-handlers.ts";
import { castoreHandlers } from "./castore-handlers.ts";
import { contentHandlers } from "./content-handlers.ts";
import { doBuildHandlers } from "./do-build-handlers.ts";
import { Health } from "./gen/grpc/health/v1/health_pb.ts";
import { healthHandlers } from "./health-handlers.ts";
import { HeldLeases } from "./held-leases.ts";
import { REFLECTION_SERVICES, reflectionHandlers } from "./reflection-handlers.ts";
import type { RpcHandler } from "./rpc.ts";
import { firnStoreHandlers, storeHandlers } from "./store-handlers.ts";
import { upkeepHandlers } from "./upkeep-handlers.ts";

export type ServedStore = CastoreServices & {
  readonly pathInfos: PathInfoService;
  readonly calculator: NarCalculator;
  /** Absent where nothing is ever deleted. */
  readonly leases?: LeaseService;
  /** Absent where nothing is ever deleted, or nobody but the server's own decides on it. */
  readonly upkeep?: StoreUpkeep;
  /** Absent where nothing is built. */
  readonly builds?: BuildService;
};

export type ServiceOptions = {
  /** Seconds since 1970. */
  readonly now: () => number;
  /** Fires when the server will take no more calls; health says so. */
  readonly stopping: AbortSignal;
  /** False for castore.v1 and store.v1 alone, as other programs serve them. */
  readonly withFirn?: boolean;
  /** Names of castore.v1 and store.v1 that are served; both when not said. */
  readonly dialects?: readonly ("snix" | "tvix")[];
};

/** The handlers of castore, store and, around them, health and reflection. */
export function storeServices(store: ServedStore, options: ServiceOptions): readonly RpcHandler[] {
  const { dialects = ["snix", "tvix"], withFirn = true, now } = options;
  const leases = new HeldLeases(store.leases);
  const parts = { pathInfos: store.pathInfos, calculator: store.calculator, leases, now };
  const handlers = dialects.flatMap((dialect) => [
    ...castoreHandlers(dialect, store, leases),
    ...storeHandlers(dialect, parts),
  ]);
  if (withFirn) handlers.push(...contentHandlers(store, leases), ...firnStoreHandlers(parts), ...leases.handlers());
  if (withFirn && store.upkeep !== undefined) handlers.push(...upkeepHandlers(store.upkeep));
  if (store.builds !== undefined) {
    handlers.push(
      ...doBuildHandlers(store.builds, leases).filter(({ method }) =>
        dialects.some((one) => method.path.startsWith(`/${one}.`)),
      ),
    );
    if (withFirn) handlers.push(...buildHandlers(store.builds, leases));
  }
  return withHealthAndReflection(handlers, options.stopping);
}

function withHealthAndReflection(handlers: readonly RpcHandler[], stopping: AbortSignal): readonly RpcHandler[] {
  const services = new Set<DescService>(handlers.map(({ method }) => method.descriptor.parent));
  for (const service of [Health, ...REFLECTION_SERVICES]) services.add(service);
  return [
    ...handlers,
    ...healthHandlers(new Set([...services].map(({ typeName }) => typeName)), stopping),
    ...reflectionHandlers([...services]),
  ];
}
