/*
A process that works on a store until it is killed: imports, puts, copies out of another store, roots, shows trees, collects garbage, in an order
that its seed says. It says on standard output what was acknowledged, once it was: `held NAME PATH NAR-HASH`; before it lets go of a root it says
`letting-go NAME`. `lost …` is a broken promise.

    node torture-child.ts STORE SOURCE TREES SEED [ROUNDS] [only KINDS]
*/

import { join } from "node:path";
import { readdirSync, writeSync } from "node:fs";
import { type LocalStore, openLocalStore } from "@firn/backend-local";
import { type CallOptions, Directory, type Node } from "@firn/castore";
import { toHex } from "@firn/hash";
import { makeFixedOutputPath, type StorePath } from "@firn/nix-compat";
import { calculateNar, ingestNar, type PathInfo, renderNar } from "@firn/store";
import { Random } from "./random.ts";

const [dir, sourceDir, treesDir, seed, rounds = "1000000", only] = process.argv.slice(2);
const random = new Random(Number(seed));
const trees = readdirSync(treesDir);
/** The kill must not find words still in a buffer. */
const say = (text: string) => void writeSync(1, `${text}\n`);

await using store = await openLocalStore(dir);
await using source = await openLocalStore(sourceDir);
const sources: PathInfo[] = [];
for await (const info of source.pathInfos.list()) sources.push(info);

async function register(
  node: Node,
  name: string,
  references: readonly StorePath[],
  options: CallOptions,
): Promise<PathInfo> {
  const nar = await calculateNar(node, store, options);
  const path = makeFixedOutputPath(
    { method: "nar", hash: { algorithm: "sha256", bytes: nar.narSha256 }, name },
    "/nix/store",
  );
  const info = { path, node, ...nar, references, signatures: [], registeredAt: Math.floor(Date.now() / 1000) };
  await store.pathInfos.put([info], options);
  return info;
}

async function hold({ path, narSha256 }: PathInfo): Promise<void> {
  const name = `root-${random.below(12)}`;
  say(`letting-go ${name}`);
  await store.roots.addRoot(name, path);
  say(`held ${name} ${path} ${toHex(narSha256)}`);
}

async function someReference(options: CallOptions): Promise<StorePath[]> {
  const roots = store.roots.listRoots();
  if (roots.length === 0) return [];
  const { path } = random.pick(roots);
  return (await store.pathInfos.get(path.hashPart, options)) === undefined ? [] : [path];
}

/** Everything that was promised under a lease can be read while it is open. */
async function assertWhole(info: PathInfo, from: LocalStore): Promise<void> {
  try {
    const { narSha256 } = await calculateNar(info.node, from);
    if (toHex(narSha256) !== toHex(info.narSha256)) say(`lost ${info.path}: another NAR`);
  } catch (thrown) {
    say(`lost ${info.path}: ${(thrown as Error).message}`);
  }
}

const WORK: Readonly<Record<string, (options: CallOptions) => Promise<void>>> = {
  import: async (options) => {
    const name = random.pick(trees);
    const node = await store.importer.importTree(join(treesDir, name), options);
    await hold(await register(node, name, await someReference(options), options));
  },
  put: async (options) => {
    const bytes = random.bytes(random.pick([10, 5000, 60_000, 700_000]));
    const digest = await store.blobs.put(bytes, options);
    const file = { kind: "file", digest, size: bytes.length, executable: random.below(2) === 0 } as const;
    const inner = new Directory([{ name: "f", node: file }]);
    await store.directories.put(inner, options);
    const outer = new Directory([
      { name: "a", node: inner.node },
      { name: "b", node: file },
    ]);
    await store.directories.put(outer, options);
    await hold(await register(outer.node, "put", await someReference(options), options));
  },
  copy: async (options) => {
    const info = random.pick(sources);
    const { node, narSha256, narSize } = await ingestNar(renderNar(info.node, source), store, options);
    const copied = { ...info, node, narSha256, narSize, references: [] };
    await store.pathInfos.put([copied], options);
    await hold(copied);
  },
  "let-go": async () => {
    const name = `root-${random.below(12)}`;
    say(`letting-go ${name}`);
    await store.roots.removeRoot(name);
  },
  show: async (options) => {
    const roots = store.roots.listRoots();
    const info = roots.length === 0 ? undefined : await store.pathInfos.get(random.pick(roots).path.hashPart, options);
    if (info !== undefined) await store.exposer.expose([info.node], options);
  },
  collect: async () => {
    await store.collectGarbage();
  },
  /** What a build does: relies on what is there, whoever made it, or makes it. */
  rely: async (options) => {
    const found: PathInfo[] = [];
    for await (const { path } of store.pathInfos.list(options)) {
      const info = random.below(3) === 0 ? await store.pathInfos.get(path.hashPart, options) : undefined;
      if (info !== undefined) found.push(info);
      if (found.length === 5) break;
    }
    const node = await store.importer.importTree(join(treesDir, random.pick(trees)), options);
    found.push(
      await register(
        node,
        "relied",
        found.slice(0, 1).map(({ path }) => path),
        options,
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, random.below(60)));
    for (const info of found) {
      await assertWhole(info, store);
      for (const { hashPart } of info.references)
        if ((await store.pathInfos.get(hashPart)) === undefined) say(`lost the reference ${hashPart} of ${info.path}`);
    }
  },
};

say("open");
const kinds = only === undefined ? Object.keys(WORK).filter((kind) => kind !== "rely") : only.split(",");
for (let round = 0; round < Number(rounds); round++) {
  try {
    await using lease = await store.leases.openLease("torture");
    await WORK[random.pick(kinds)]({ lease });
  } catch (thrown) {
    const { code, message } = thrown as { readonly code?: string; readonly message: string };
    say(`failed ${code} ${message.replaceAll("\n", " ")}`);
    if (code === undefined) throw thrown;
  }
}
say("done");
