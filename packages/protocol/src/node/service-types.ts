/*
Remote services for compositions: the type `grpc` of all three kinds, with a server's URL. Services of one server share a connection.
*/

import { CastoreError, defineServiceType, type FieldSpec, type ServiceType } from "@firn/castore";
import { messageOf } from "@firn/base";
import { Peer } from "../peer.ts";
import { RemoteBlobs } from "../remote-blobs.ts";
import { RemoteDirectories } from "../remote-directories.ts";
import { RemotePathInfos } from "../remote-path-infos.ts";
import { GrpcChannel } from "./grpc-channel.ts";
import { parseGrpcUrl } from "./grpc-url.ts";

/** What the composing side lends: reading a file of a token or of certificates. */
export type GrpcTypesHost = { readonly readText: (path: string) => Promise<string> };

export type GrpcFields = { readonly url: string; readonly token_file?: string; readonly ca_file?: string };

const TEXT: FieldSpec = { is: "text", optional: true };

/** A peer at a URL. `token_file` holds what the server wants to see; `ca_file` certificates it is known by, PEM. */
export async function openGrpcPeer(
  { url, token_file, ca_file }: GrpcFields,
  { readText }: GrpcTypesHost,
): Promise<Peer> {
  const token = token_file === undefined ? undefined : (await readText(token_file)).trim();
  const ca = ca_file === undefined ? undefined : await readText(ca_file);
  try {
    return new Peer(new GrpcChannel(parseGrpcUrl(url), { token, ca }));
  } catch (thrown) {
    throw new CastoreError("composition", messageOf(thrown), { cause: thrown });
  }
}

export function grpcServiceTypes(host: GrpcTypesHost): readonly ServiceType[] {
  const make = {
    blobservices: (peer: Peer) => new RemoteBlobs(peer),
    directoryservices: (peer: Peer) => new RemoteDirectories(peer),
    pathinfoservices: (peer: Peer) => new RemotePathInfos(peer),
  };
  return Object.entries(make).map(([kind, of]) =>
    defineServiceType<GrpcFields>({
      kind,
      type: "grpc",
      fields: { url: { is: "text" }, token_file: TEXT, ca_file: TEXT },
      ofUrl: ({ variant, place }) => ({ url: `grpc+${variant}:${variant === "unix" ? place : `//${place}`}` }),
      open: async (fields, { shared }) =>
        of(await shared(`grpc ${JSON.stringify(fields)}`, () => openGrpcPeer(fields, host))),
    }),
  );
}
