/*
The methods of castore.v1 and of what Firn adds. castore.v1 exists under two names with the same bytes, so one set of codecs serves both; only paths and
descriptors differ.
*/

import type { DescService } from "@bufbuild/protobuf";
import { DIRECTORY_BYTES_MAX } from "@firn/castore";
import { BYTES_CODEC, DIRECTORY_CODEC, messageCodec } from "./codec.ts";
import {
  ContentService,
  HoldRequestSchema,
  HoldResponseSchema,
  LeaseService,
  MissingRequestSchema,
  MissingResponseSchema,
  OutboardRequestSchema,
  PutBlobsRequestSchema,
  PutBlobsResponseSchema,
  ReadBlobsRequestSchema,
  ReadBlobsResponseSchema,
  ReadSliceRequestSchema,
  StatBlobsRequestSchema,
  StatBlobsResponseSchema,
} from "./gen/firn/castore/v1/castore_pb.ts";
import {
  GetDirectoryRequestSchema,
  StatBlobRequestSchema,
  StatBlobResponseSchema,
  BlobService as SnixBlobService,
  DirectoryService as SnixDirectoryService,
} from "./gen/snix/castore/v1/castore_pb.ts";
import {
  BlobService as TvixBlobService,
  DirectoryService as TvixDirectoryService,
} from "./gen/tvix/castore/v1/castore_pb.ts";
import { defineMethod } from "./rpc.ts";

/** The two names that castore.v1, store.v1 and build.v1 go by. */
export type Dialect = "snix" | "tvix";

/** Messages above the usual limit: directories and lists. */
const LARGE_BYTES_MAX = DIRECTORY_BYTES_MAX + 1024;

export const STAT_BLOB_REQUEST = messageCodec(StatBlobRequestSchema);
export const STAT_BLOB_RESPONSE = messageCodec(StatBlobResponseSchema);
export const GET_DIRECTORY_REQUEST = messageCodec(GetDirectoryRequestSchema);

function castoreMethods(blobs: DescService, directories: DescService) {
  const ofBlobs = (name: string) => blobs.method[name];
  const ofDirectories = (name: string) => directories.method[name];
  return {
    stat: defineMethod(ofBlobs("stat"), STAT_BLOB_REQUEST, STAT_BLOB_RESPONSE),
    // Requests and answers that are one digest, and pieces of contents, are all `bytes … = 1`.
    read: defineMethod(ofBlobs("read"), BYTES_CODEC, BYTES_CODEC),
    putBlob: defineMethod(ofBlobs("put"), BYTES_CODEC, BYTES_CODEC, { access: "write" }),
    getDirectories: defineMethod(ofDirectories("get"), GET_DIRECTORY_REQUEST, DIRECTORY_CODEC),
    putDirectories: defineMethod(ofDirectories("put"), DIRECTORY_CODEC, BYTES_CODEC, {
      access: "write",
      inputBytesMax: LARGE_BYTES_MAX,
    }),
  };
}

export const CASTORE_METHODS: Readonly<Record<Dialect, ReturnType<typeof castoreMethods>>> = {
  snix: castoreMethods(SnixBlobService, SnixDirectoryService),
  tvix: castoreMethods(TvixBlobService, TvixDirectoryService),
};

export const MISSING_RESPONSE = messageCodec(MissingResponseSchema);
export const MISSING_REQUEST = messageCodec(MissingRequestSchema);
export const STAT_BLOBS_REQUEST = messageCodec(StatBlobsRequestSchema);
export const STAT_BLOBS_RESPONSE = messageCodec(StatBlobsResponseSchema);
export const READ_SLICE_REQUEST = messageCodec(ReadSliceRequestSchema);
export const READ_BLOBS_REQUEST = messageCodec(ReadBlobsRequestSchema);
export const READ_BLOBS_RESPONSE = messageCodec(ReadBlobsResponseSchema);
export const PUT_BLOBS_REQUEST = messageCodec(PutBlobsRequestSchema);
export const PUT_BLOBS_RESPONSE = messageCodec(PutBlobsResponseSchema);
export const OUTBOARD_REQUEST = messageCodec(OutboardRequestSchema);
export const HOLD_REQUEST = messageCodec(HoldRequestSchema);
export const HOLD_RESPONSE = messageCodec(HoldResponseSchema);

const content = ContentService.method;

/** What only Firn's servers answer. */
export const CONTENT_METHODS = {
  missing: defineMethod(content.missing, MISSING_REQUEST, MISSING_RESPONSE, { inputBytesMax: LARGE_BYTES_MAX }),
  statBlobs: defineMethod(content.statBlobs, STAT_BLOBS_REQUEST, STAT_BLOBS_RESPONSE, {
    inputBytesMax: LARGE_BYTES_MAX,
  }),
  readSlice: defineMethod(content.readSlice, READ_SLICE_REQUEST, BYTES_CODEC),
  readBlobs: defineMethod(content.readBlobs, READ_BLOBS_REQUEST, READ_BLOBS_RESPONSE, {
    inputBytesMax: LARGE_BYTES_MAX,
  }),
  putBlobs: defineMethod(content.putBlobs, PUT_BLOBS_REQUEST, PUT_BLOBS_RESPONSE, { access: "write" }),
  outboard: defineMethod(content.outboard, OUTBOARD_REQUEST, BYTES_CODEC),
};

// To hold is to write: it keeps the server's garbage.
export const LEASE_METHODS = {
  hold: defineMethod(LeaseService.method.hold, HOLD_REQUEST, HOLD_RESPONSE, { access: "write" }),
};
