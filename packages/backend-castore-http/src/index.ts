// Public, in reading order.
export { StaticFiles } from "./static-files.ts";
export type { FileRange, OpenedFile, StaticFilesOptions } from "./static-files.ts";
export { StaticBlobs } from "./static-blobs.ts";
export { StaticDirectories } from "./static-directories.ts";
export { StaticPathInfos } from "./static-path-infos.ts";
export { publishStatic } from "./publish.ts";
export type { PublishOptions, PublishProgress, PublishResult } from "./publish.ts";
export { staticServiceTypes } from "./service-types.ts";
export type { StaticTypesHost } from "./service-types.ts";
