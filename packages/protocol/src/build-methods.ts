/* The methods of Firn's builds, and of build.v1 under both of its names, whose requests are the same and whose answers are not. */

import { messageCodec } from "./codec.ts";
import * as firn from "./gen/firn/build/v1/build_pb.ts";
import {
  BuildRequestSchema,
  BuildResponseSchema,
  BuildService as SnixBuildService,
} from "./gen/snix/build/v1/build_pb.ts";
import {
  BuildRequestSchema as TvixBuildRequestSchema,
  BuildSchema,
  BuildService as TvixBuildService,
} from "./gen/tvix/build/v1/build_pb.ts";
import { defineMethod } from "./rpc.ts";

/** A recipe may have 64 MiB of texts. */
const RECIPE_MESSAGE_BYTES_MAX = 80 * 1024 * 1024;
const WRITE = { access: "write", inputBytesMax: RECIPE_MESSAGE_BYTES_MAX } as const;

export const SUPPORTS_REQUEST = messageCodec(firn.SupportsRequestSchema);
export const SUPPORTS_RESPONSE = messageCodec(firn.SupportsResponseSchema);
export const SUBMIT_REQUEST = messageCodec(firn.SubmitRequestSchema);
export const SUBMIT_RESPONSE = messageCodec(firn.SubmitResponseSchema);
export const WITHDRAW_REQUEST = messageCodec(firn.WithdrawRequestSchema);
export const WITHDRAW_RESPONSE = messageCodec(firn.WithdrawResponseSchema);
export const WATCH_REQUEST = messageCodec(firn.WatchRequestSchema);
export const WATCH_RESPONSE = messageCodec(firn.WatchResponseSchema);
export const CANCEL_REQUEST = messageCodec(firn.CancelRequestSchema);
export const CANCEL_RESPONSE = messageCodec(firn.CancelResponseSchema);
export const REFUSE_REQUEST = messageCodec(firn.RefuseRequestSchema);
export const REFUSE_RESPONSE = messageCodec(firn.RefuseResponseSchema);
export const GET_ATTEMPT_REQUEST = messageCodec(firn.GetAttemptRequestSchema);
export const GET_ATTEMPT_RESPONSE = messageCodec(firn.GetAttemptResponseSchema);
export const LIST_ATTEMPTS_REQUEST = messageCodec(firn.ListAttemptsRequestSchema);
export const LIST_ATTEMPTS_RESPONSE = messageCodec(firn.ListAttemptsResponseSchema);
export const GET_RECIPE_REQUEST = messageCodec(firn.GetRecipeRequestSchema);
export const GET_RECIPE_RESPONSE = messageCodec(firn.GetRecipeResponseSchema);

const { method } = firn.BuildService;

export const BUILD_METHODS = {
  supports: defineMethod(method.supports, SUPPORTS_REQUEST, SUPPORTS_RESPONSE),
  submit: defineMethod(method.submit, SUBMIT_REQUEST, SUBMIT_RESPONSE, WRITE),
  withdraw: defineMethod(method.withdraw, WITHDRAW_REQUEST, WITHDRAW_RESPONSE, WRITE),
  watch: defineMethod(method.watch, WATCH_REQUEST, WATCH_RESPONSE),
  cancel: defineMethod(method.cancel, CANCEL_REQUEST, CANCEL_RESPONSE, WRITE),
  refuse: defineMethod(method.refuse, REFUSE_REQUEST, REFUSE_RESPONSE, WRITE),
  getAttempt: defineMethod(method.getAttempt, GET_ATTEMPT_REQUEST, GET_ATTEMPT_RESPONSE),
  listAttempts: defineMethod(method.listAttempts, LIST_ATTEMPTS_REQUEST, LIST_ATTEMPTS_RESPONSE),
  getRecipe: defineMethod(method.getRecipe, GET_RECIPE_REQUEST, GET_RECIPE_RESPONSE),
};

export const BUILD_REQUEST = messageCodec(BuildRequestSchema);
export const SNIX_BUILD_RESPONSE = messageCodec(BuildResponseSchema);
export const TVIX_BUILD_REQUEST = messageCodec(TvixBuildRequestSchema);
export const TVIX_BUILD = messageCodec(BuildSchema);

export const SNIX_DO_BUILD = defineMethod(SnixBuildService.method.doBuild, BUILD_REQUEST, SNIX_BUILD_RESPONSE, WRITE);
export const TVIX_DO_BUILD = defineMethod(TvixBuildService.method.doBuild, BUILD_REQUEST, TVIX_BUILD, WRITE);
