/*
Static stores for compositions: the type `castore` of all three kinds, as a URL `castore+https://HOST/PATH`. Services of one place share connections.
*/

import { defineServiceType, type FieldSpec, type ServiceType } from "@firn/castore";
import { StaticBlobs } from "./static-blobs.ts";
import { StaticDirectories } from "./static-directories.ts";
import { StaticFiles } from "./static-files.ts";
import { StaticPathInfos } from "./static-path-infos.ts";

/** What the composing side lends: reading a file of a token or of certificates. */
export type StaticTypesHost = { readonly readText: (path: string) => Promise<string> };

type StaticFields = { readonly url: string; readonly token_file?: string; readonly ca_file?: string };

const TEXT: FieldSpec = { is: "text", optional: true };

async function openFiles(
  { url, token_file, ca_file }: StaticFields,
  { readText }: StaticTypesHost,
): Promise<StaticFiles> {
  return new StaticFiles(url.replace(/^castore\+/, ""), {
    token: token_file === undefined ? undefined : (await readText(token_file)).trim(),
    ca: ca_file === undefined ? undefined : await readText(ca_file),
  });
}

export function staticServiceTypes(host: StaticTypesHost): readonly ServiceType[] {
  const make = {
    blobservices: (files: StaticFiles) => new StaticBlobs(files),
    directoryservices: (files: StaticFiles) => new StaticDirectories(files),
    pathinfoservices: (files: StaticFiles) => new StaticPathInfos(files),
  };
  return Object.entries(make).map(([kind, of]) =>
    defineServiceType<StaticFields>({
      kind,
      type: "castore",
      fields: { url: { is: "text" }, token_file: TEXT, ca_file: TEXT },
      ofUrl: ({ variant, place }) => ({ url: `${variant}://${place}` }),
      open: async (fields, { shared }) =>
        of(await shared(`castore ${JSON.stringify(fields)}`, () => openFiles(fields, host))),
    }),
  );
}
