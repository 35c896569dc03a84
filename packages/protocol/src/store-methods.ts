/* The methods of store.v1, under both names, and of what Firn adds. */

import type { DescService } from "@bufbuild/protobuf";
import { PATH_INFO_BYTES_MAX } from "@firn/store";
import type { Dialect } from "./castore-methods.ts";
import { messageCodec } from "./codec.ts";
import {
  ClosureRequestSchema,
  ClosureResponseSchema,
  GetRequestSchema,
  GetResponseSchema,
  ListRequestSchema,
  ListResponseSchema,
  MissingPathsRequestSchema,
  MissingPathsResponseSchema,
  PathInfoService as FirnPathInfoService,
  PutRequestSchema,
  PutResponseSchema,
  ReferrersRequestSchema,
  ReferrersResponseSchema,
} from "./gen/firn/store/v1/store_pb.ts";
import { EntrySchema } from "./gen/snix/castore/v1/castore_pb.ts";
import {
  CalculateNARResponseSchema,
  GetPathInfoRequestSchema,
  ListPathInfoRequestSchema,
  PathInfoSchema,
  PathInfoService as SnixPathInfoService,
} from "./gen/snix/store/v1/store_pb.ts";
import { PathInfoService as TvixPathInfoService } from "./gen/tvix/store/v1/store_pb.ts";
import { defineMethod } from "./rpc.ts";

export const PATH_INFO = messageCodec(PathInfoSchema);
export const ENTRY = messageCodec(EntrySchema);
export const GET_PATH_INFO_REQUEST = messageCodec(GetPathInfoRequestSchema);
export const LIST_PATH_INFO_REQUEST = messageCodec(ListPathInfoRequestSchema);
export const CALCULATE_NAR_RESPONSE = messageCodec(CalculateNARResponseSchema);

function storeMethods({ method }: DescService) {
  return {
    get: defineMethod(method.get, GET_PATH_INFO_REQUEST, PATH_INFO),
    put: defineMethod(method.put, PATH_INFO, PATH_INFO, { access: "write", inputBytesMax: PATH_INFO_BYTES_MAX }),
    calculateNar: defineMethod(method.calculateNAR, ENTRY, CALCULATE_NAR_RESPONSE),
    list: defineMethod(method.list, LIST_PATH_INFO_REQUEST, PATH_INFO),
  };
}

export const STORE_METHODS: Readonly<Record<Dialect, ReturnType<typeof storeMethods>>> = {
  snix: storeMethods(SnixPathInfoService),
  tvix: storeMethods(TvixPathInfoService),
};

export const GET_REQUEST = messageCodec(GetRequestSchema);
export const GET_RESPONSE = messageCodec(GetResponseSchema);
export const PUT_REQUEST = messageCodec(PutRequestSchema);
export const PUT_RESPONSE = messageCodec(PutResponseSchema);
export const LIST_REQUEST = messageCodec(ListRequestSchema);
export const LIST_RESPONSE = messageCodec(ListResponseSchema);
export const REFERRERS_REQUEST = messageCodec(ReferrersRequestSchema);
export const REFERRERS_RESPONSE = messageCodec(ReferrersResponseSchema);
export const CLOSURE_REQUEST = messageCodec(ClosureRequestSchema);
export const CLOSURE_RESPONSE = messageCodec(ClosureResponseSchema);
export const MISSING_PATHS_REQUEST = messageCodec(MissingPathsRequestSchema);
export const MISSING_PATHS_RESPONSE = messageCodec(MissingPathsResponseSchema);

const { method } = FirnPathInfoService;

export const FIRN_STORE_METHODS = {
  get: defineMethod(method.get, GET_REQUEST, GET_RESPONSE),
  put: defineMethod(method.put, PUT_REQUEST, PUT_RESPONSE, { access: "write", inputBytesMax: PATH_INFO_BYTES_MAX }),
  list: defineMethod(method.list, LIST_REQUEST, LIST_RESPONSE),
  referrers: defineMethod(method.referrers, REFERRERS_REQUEST, REFERRERS_RESPONSE),
  closure: defineMethod(method.closure, CLOSURE_REQUEST, CLOSURE_RESPONSE),
  missingPaths: defineMethod(method.missingPaths, MISSING_PATHS_REQUEST, MISSING_PATHS_RESPONSE, {
    inputBytesMax: PATH_INFO_BYTES_MAX,
  }),
};
