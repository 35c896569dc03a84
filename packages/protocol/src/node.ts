/* What of protocol needs Node: the server's port and the client's connection. */

export { connectHandler } from "./node/connect-handler.ts";
export type { NodeHandler } from "./node/connect-handler.ts";
export { GrpcChannel } from "./node/grpc-channel.ts";
export type { GrpcChannelOptions, GrpcTarget } from "./node/grpc-channel.ts";
export { GrpcServer } from "./node/grpc-server.ts";
export type { RpcServerOptions } from "./node/grpc-server.ts";
export { openHttpServer } from "./node/http-server.ts";
export type { HttpServer, HttpServerOptions, ListenAddress } from "./node/http-server.ts";
export { grpcServiceTypes, openGrpcPeer } from "./node/service-types.ts";
export type { GrpcFields, GrpcTypesHost } from "./node/service-types.ts";
