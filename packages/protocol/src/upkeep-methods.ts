/* The methods of Firn's upkeep of stores. */

import { messageCodec } from "./codec.ts";
import {
  AddRootRequestSchema,
  AddRootResponseSchema,
  CollectGarbageRequestSchema,
  CollectGarbageResponseSchema,
  ListRootsRequestSchema,
  ListRootsResponseSchema,
  RemoveRootRequestSchema,
  RemoveRootResponseSchema,
  UpkeepService,
} from "./gen/firn/store/v1/upkeep_pb.ts";
import { defineMethod } from "./rpc.ts";

export const LIST_ROOTS_REQUEST = messageCodec(ListRootsRequestSchema);
export const LIST_ROOTS_RESPONSE = messageCodec(ListRootsResponseSchema);
export const ADD_ROOT_REQUEST = messageCodec(AddRootRequestSchema);
export const ADD_ROOT_RESPONSE = messageCodec(AddRootResponseSchema);
export const REMOVE_ROOT_REQUEST = messageCodec(RemoveRootRequestSchema);
export const REMOVE_ROOT_RESPONSE = messageCodec(RemoveRootResponseSchema);
export const COLLECT_GARBAGE_REQUEST = messageCodec(CollectGarbageRequestSchema);
export const COLLECT_GARBAGE_RESPONSE = messageCodec(CollectGarbageResponseSchema);

const { method } = UpkeepService;

/** Roots are for those who may put: what they put they may want to keep. What deletes is for few, and names of links are no reader's business. */
export const UPKEEP_METHODS = {
  listRoots: defineMethod(method.listRoots, LIST_ROOTS_REQUEST, LIST_ROOTS_RESPONSE, { access: "write" }),
  addRoot: defineMethod(method.addRoot, ADD_ROOT_REQUEST, ADD_ROOT_RESPONSE, { access: "write" }),
  removeRoot: defineMethod(method.removeRoot, REMOVE_ROOT_REQUEST, REMOVE_ROOT_RESPONSE, { access: "admin" }),
  collectGarbage: defineMethod(method.collectGarbage, COLLECT_GARBAGE_REQUEST, COLLECT_GARBAGE_RESPONSE, {
    access: "admin",
  }),
};
