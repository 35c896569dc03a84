/* A store in memory with a few paths that refer to each other, for tests of what works on closures. */

import { MemoryBlobs, MemoryDirectories, type Node, TreeBuilder } from "@firn/castore";
import { StorePath } from "@firn/nix-compat";
import { calculateNar, MemoryPathInfos, type PathInfo, sortedReferences, type StoreServices } from "@firn/store";

export const memoryStore = (): StoreServices => ({
  blobs: new MemoryBlobs(),
  directories: new MemoryDirectories(),
  pathInfos: new MemoryPathInfos(),
});

export const pathOf = (letter: string) => new StorePath(letter.repeat(32), `name-${letter}`);

export async function fileNode(
  services: StoreServices,
  contents: string | Uint8Array,
  executable = false,
): Promise<Node> {
  const bytes = typeof contents === "string" ? new TextEncoder().encode(contents) : contents;
  return { kind: "file", digest: await services.blobs.put(bytes), size: bytes.length, executable };
}

export type Files = { readonly [name: string]: string | Uint8Array | Files };

export async function treeNode(services: StoreServices, files: Files): Promise<Node> {
  const builder = new TreeBuilder(services.directories);
  const fill = async (name: string, entries: Files) => {
    builder.enter(name);
    for (const [entry, value] of Object.entries(entries)) {
      if (typeof value === "string" && value.startsWith("->"))
        builder.add(entry, { kind: "symlink", target: value.slice(2) });
      else if (typeof value === "string" || value instanceof Uint8Array)
        builder.add(entry, await fileNode(services, value));
      else await fill(entry, value);
    }
    await builder.leave();
  };
  await fill("", files);
  return builder.close();
}

export async function register(
  services: StoreServices,
  letter: string,
  node: Node,
  references = "",
): Promise<PathInfo> {
  const info: PathInfo = {
    path: pathOf(letter),
    node,
    ...(await calculateNar(node, services)),
    references: sortedReferences([...references].map(pathOf)),
    signatures: [],
    registeredAt: 1,
  };
  await services.pathInfos.put([info]);
  return info;
}

/** a; b -> a; c -> a, b, c; d a single file -> c. */
export async function chainStore(services = memoryStore()): Promise<StoreServices> {
  await register(
    services,
    "a",
    await treeNode(services, { lib: { "liba.so": new Uint8Array(5000).fill(1), common: "shared" } }),
  );
  await register(
    services,
    "b",
    await treeNode(services, { bin: { b: `calls /nix/store/${pathOf("a")}/lib` }, common: "shared" }),
    "a",
  );
  await register(
    services,
    "c",
    await treeNode(services, {
      self: `/nix/store/${pathOf("c")}`,
      link: `->/nix/store/${pathOf("b")}/bin`,
      sub: { lib: { "liba.so": new Uint8Array(5000).fill(1), common: "shared" } },
      a: pathOf("a").hashPart,
    }),
    "abc",
  );
  await register(services, "d", await fileNode(services, `uses ${pathOf("c")}`, true), "c");
  return services;
}
