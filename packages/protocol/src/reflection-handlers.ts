/*
grpc.reflection, v1 and v1alpha: clients such as buf and grpcurl learn from the server itself which services it has and what their messages are.
*/

import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { messageCodec } from "./codec.ts";
import {
  ServerReflection,
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from "./gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "./gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { bidiStream, defineMethod, type RpcHandler } from "./rpc.ts";
import { statusOfCode } from "./error.ts";

const REQUEST = messageCodec(ServerReflectionRequestSchema);
const RESPONSE = messageCodec(ServerReflectionResponseSchema);

/** The services of reflection itself. */
export const REFLECTION_SERVICES: readonly DescService[] = [ServerReflection, ServerReflectionAlpha];

export function reflectionHandlers(services: readonly DescService[]): readonly RpcHandler[] {
  const index = new DescriptorIndex(services);
  return REFLECTION_SERVICES.map(({ method }) => {
    const info = defineMethod(method.serverReflectionInfo, REQUEST, RESPONSE);
    return bidiStream(info, async function* (requests) {
      for await (const request of requests) yield RESPONSE.make(answer(request, index));
    });
  });
}

function answer(request: ServerReflectionRequest, index: DescriptorIndex) {
  const base = { validHost: request.host, originalRequest: request };
  const { case: asked, value } = request.messageRequest;
  const notFound = (what: string) => ({
    ...base,
    messageResponse: {
      case: "errorResponse" as const,
      value: { errorCode: statusOfCode("not-found"), errorMessage: `this server has no ${what.slice(0, 200)}` },
    },
  });
  switch (asked) {
    case "listServices": {
      const service = index.services.map(({ typeName }) => ({ name: typeName }));
      return { ...base, messageResponse: { case: "listServicesResponse" as const, value: { service } } };
    }
    case "fileByFilename":
    case "fileContainingSymbol": {
      const file = asked === "fileByFilename" ? index.files.get(value) : index.fileOfSymbol(value);
      if (file === undefined) return notFound(value);
      const fileDescriptorProto = withDependencies(file).map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
      return { ...base, messageResponse: { case: "fileDescriptorResponse" as const, value: { fileDescriptorProto } } };
    }
    default:
      return notFound("extensions");
  }
}

class DescriptorIndex {
  readonly services: readonly DescService[];
  /** By name, with `.proto`. */
  readonly files = new Map<string, DescFile>();
  readonly #symbols = new Map<string, DescFile>();

  constructor(services: readonly DescService[]) {
    this.services = services;
    for (const { file } of services) {
      for (const one of withDependencies(file)) {
        this.files.set(`${one.name}.proto`, one);
        for (const message of one.messages) this.#symbols.set(message.typeName, one);
        for (const enumeration of one.enums) this.#symbols.set(enumeration.typeName, one);
        for (const service of one.services) this.#symbols.set(service.typeName, one);
      }
    }
  }

  /** The file that defines a service, message, method or nested type. */
  fileOfSymbol(symbol: string): DescFile | undefined {
    for (let name = symbol; name !== ""; name = name.slice(0, Math.max(0, name.lastIndexOf(".")))) {
      const file = this.#symbols.get(name);
      if (file !== undefined) return file;
    }
    return undefined;
  }
}

/** A file and all it needs, itself last. */
function withDependencies(file: DescFile, found = new Set<DescFile>()): readonly DescFile[] {
  for (const dependency of file.dependencies) if (!found.has(dependency)) withDependencies(dependency, found);
  found.add(file);
  return [...found];
}
