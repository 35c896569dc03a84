/*
Path infos that may be read and not written.
*/

import { throwIfAborted } from "@firn/base";
import { StoreError } from "./error.ts";
import type { PathInfoService } from "./path-info-service.ts";

export function readOnlyPathInfos(inner: PathInfoService): PathInfoService {
  return {
    supports: { ...inner.supports, write: false },
    get: (hashPart, options) => inner.get(hashPart, options),
    list: (options) => inner.list(options),
    referrers: (path, options) => inner.referrers(path, options),
    put: async (_infos, options) => {
      throwIfAborted(options?.signal);
      throw new StoreError("unsupported", "this service is read-only");
    },
  };
}
