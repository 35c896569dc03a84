/*
`builtin:unpack-channel` as a builder: an archive with one thing at its top, which becomes `channelName` in the output. Follows builtinUnpackChannel of
C++ Nix, with its words.
*/

import { Directory, type Node, needDirectory } from "@firn/castore";
import type { BuiltinBuild } from "./builtin-step.ts";
import { needFetcher } from "./fetcher.ts";
import { unpackTar } from "./unpack-tar.ts";

/** The output, a directory. */
export async function unpackChannel(build: BuiltinBuild): Promise<Node> {
  const { files, attribute, refusal, services, options } = build;
  const [name, src] = [attribute("channelName"), attribute("src")];
  if (name === "" || name.includes("/"))
    throw refusal(`channelName is not allowed to contain filesystem separators, got ${name}`);
  const archive = (await files.find(src))?.node;
  if (archive?.kind !== "file") throw refusal(`'${src}' is no archive`);
  await using reader = await services.blobs.openRead(archive.digest, options);
  if (reader === undefined) throw refusal(`the contents of '${src}' are not in the store`);
  const bytes = needFetcher(build).decompress(reader.stream());
  const root = await unpackTar(bytes, services, { ...options, strip: false });
  const entries =
    root.kind === "directory" ? (await needDirectory(services.directories, root.digest, options)).entries : [];
  if (entries.length === 0) throw refusal(`channel tarball '${src}' is empty`);
  if (entries.length > 1) throw refusal(`channel tarball '${src}' contains more than one file`);
  const output = new Directory([{ name, node: entries[0].node }]);
  await services.directories.put(output, options);
  return output.node;
}
