/* A local builder over functions, for the contract suite: files of the host are strings in a map. */

import { bytesOf, byteStringOf, collectBytes } from "@firn/base";
import type { ContractBuilder, ContractService } from "@firn/build/contract";
import { type Digest, MemoryBlobs, MemoryDirectories, MemoryLeases, type Node } from "@firn/castore";
import { type BuildServiceParts, createBuildService } from "../src/local-builder.ts";

type Stores = { readonly leases: MemoryLeases; readonly blobs: MemoryBlobs; readonly gone: Set<Digest> };

/** Blobs that can be made to be missing. */
export function contractStores(): Stores {
  const leases = new MemoryLeases();
  const blobs = new MemoryBlobs(leases);
  const gone = new Set<Digest>();
  const has = blobs.has.bind(blobs);
  blobs.has = async (digest, options) => !gone.has(digest) && (await has(digest, options));
  return { leases, blobs, gone };
}

let ids = 0;

export function contractService(
  builders: Readonly<Record<string, ContractBuilder>>,
  change: Partial<BuildServiceParts> = {},
  stores = contractStores(),
  runs: string[] = [],
): ContractService {
  const { leases, blobs, gone } = stores;
  const host = new Map<string, string>();
  const outputs = new Set<Digest>();
  const put = async (contents: string): Promise<Node> => {
    const digest = await blobs.put(bytesOf(contents));
    gone.delete(digest);
    return { kind: "file", digest, size: contents.length, executable: false };
  };
  const readHost = async (node: Node) => {
    if (node.kind !== "file") throw new Error("only files here");
    await using reader = await blobs.openRead(node.digest);
    if (reader === undefined) throw new Error("missing");
    return byteStringOf(await collectBytes(reader.stream(), 1000, () => new Error("too long")));
  };
  const service = createBuildService({
    sandbox: {
      name: "functions",
      isolation: { files: true, network: true, processes: true },
      run: async (job, onLog, signal, turn) => {
        const dispose = async () => {};
        const over = { dispose, [Symbol.asyncDispose]: dispose };
        if (turn !== undefined && !(await turn.begin()))
          return { result: { end: { reason: "cancelled" }, outputs: [] }, ...over };
        const word = job.argv[1];
        runs.push(word);
        const inputs = job.inputs.map(({ hostPath }) => host.get(hostPath) as string);
        const made = await builders[word]({ recipe: job, inputs }, (text) => onLog(bytesOf(text)), signal);
        turn?.end();
        const end = typeof made === "object" ? made : { reason: "succeeded" as const };
        return { result: { end, outputs: job.outputs.map(() => `/made:${made}`) }, ...over };
      },
    },
    blobs,
    directories: new MemoryDirectories(leases),
    exposer: {
      expose: async (nodes) => {
        const hostPaths = await Promise.all(
          nodes.map(async (node) => {
            const contents = await readHost(node);
            host.set(`/exposed:${contents}`, contents);
            return `/exposed:${contents}`;
          }),
        );
        const release = async () => {};
        return { hostPaths, release, [Symbol.asyncDispose]: release };
      },
    },
    importer: {
      importTree: async (hostPath) => {
        const node = await put(hostPath.slice("/made:".length));
        if (node.kind === "file") outputs.add(node.digest);
        return node;
      },
    },
    leases,
    systems: ["x86_64-linux"],
    jobsMax: 2,
    now: () => ++ids,
    newId: () => `attempt-${++ids}`,
    ...change,
  });
  return {
    service,
    runs: () => runs,
    file: put,
    forgetOutputs: () => {
      for (const digest of outputs) gone.add(digest);
    },
  };
}
