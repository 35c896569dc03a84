/* The remote services keep their contracts through real servers: Firn's, and ones that have castore.v1 and store.v1 alone. */

import { blobServiceContract, directoryServiceContract, leaseServiceContract } from "@firn/castore/contract";
import { pathInfoServiceContract } from "@firn/store/contract";
import { openServed, openServedWithEmpty } from "./served.ts";

for (const on of ["tcp", "unix"] as const) {
  blobServiceContract(`grpc over ${on}`, () => openServed({ on }));
  directoryServiceContract(`grpc over ${on}`, () => openServed({ on }));
  leaseServiceContract(`grpc over ${on}`, () => openServedWithEmpty({ on }));
  pathInfoServiceContract(`grpc over ${on}`, () => openServedWithEmpty({ on }));
}

for (const dialect of ["snix", "tvix"] as const) {
  const open = () => openServed({ withFirn: false, dialects: [dialect] });
  blobServiceContract(`${dialect}.castore.v1 alone`, open);
  directoryServiceContract(`${dialect}.castore.v1 alone`, open);
}
