// Public, in reading order. Connections and the server for Node: `@firn/protocol/node`.
export { codeOfStatus, ProtocolError, statusOfCode } from "./error.ts";
export type { ProtocolErrorCode } from "./error.ts";
export { ACCESSES, callServerStream, callUnary, ClientStream } from "./rpc.ts";
export type { Access, Channel, ClientCall, RpcHandler, RpcMethod, RpcOptions, ServerCall } from "./rpc.ts";
export { storeServices } from "./services.ts";
export type { ServedStore, ServiceOptions } from "./services.ts";
export { Peer } from "./peer.ts";
export type { PeerKind } from "./peer.ts";
export { RemoteBlobs } from "./remote-blobs.ts";
export { RemoteDirectories } from "./remote-directories.ts";
export { RemotePathInfos } from "./remote-path-infos.ts";
export { pullPaths } from "./pull-paths.ts";
export { pushPaths } from "./push-paths.ts";
export { RemoteUpkeep } from "./remote-upkeep.ts";
export { RemoteBuilds } from "./remote-builds.ts";
export { RemoteExecutor } from "./remote-executor.ts";
