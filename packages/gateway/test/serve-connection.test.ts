/* Commands of `nix-store --serve` by hand: what is there is told and dumped, what may not be written is not. */

import assert from "node:assert/strict";
import { type Duplex, duplexPair } from "node:stream";
import { describe, test } from "node:test";
import { ByteSource, concatBytes } from "@firn/base";
import { MemoryLeases } from "@firn/castore";
import { useNodeKernels } from "@firn/hash/node";
import { type DaemonHost, serveOnStream } from "@firn/gateway";
import {
  invalidMessage,
  openServeHandshake,
  SERVE_COMMANDS,
  type ServeCommandName,
  type ServeReply,
  type ServeRequest,
  WireReader,
  WireWriter,
  type WorkerCodec,
  type WorkerSession,
} from "@firn/nix-compat";
import { copyPaths, renderNar, type StoreServices, TrustedKeys } from "@firn/store";
import { chainStore, pathOf } from "../../store/test/small-store.ts";
import { memoryStores } from "./daemon-pair.ts";

useNodeKernels();
const ROOTS = ["a", "b", "c"].map(pathOf);

class Client {
  readonly #stream: Duplex;
  readonly from: WireReader;
  readonly served: Promise<void>;
  readonly #session: WorkerSession;

  constructor(stream: Duplex, from: WireReader, session: WorkerSession, served: Promise<void>) {
    this.#stream = stream;
    this.from = from;
    this.#session = session;
    this.served = served;
  }

  async ask<Name extends ServeCommandName>(
    name: Name,
    request: ServeRequest<Name>,
    body?: Uint8Array,
  ): Promise<ServeReply<Name>> {
    const { number, request: codec, reply } = SERVE_COMMANDS[name];
    const to = new WireWriter().integer(number);
    (codec as unknown as WorkerCodec<unknown>).write(to, request, this.#session);
    this.#stream.write(to.take());
    if (body !== undefined) this.#stream.write(body);
    return (await reply.read(this.from, this.#session)) as ServeReply<Name>;
  }

  async end(): Promise<void> {
    this.#stream.end();
    await this.served;
  }
}

async function client(
  { write, version, remote }: { readonly write: boolean; readonly version?: number; readonly remote: StoreServices },
  leases: MemoryLeases,
): Promise<Client> {
  const [near, far] = duplexPair();
  const host: DaemonHost = {
    storeDir: "/nix/store",
    services: remote,
    leases,
    trustedKeys: new TrustedKeys([]),
    programVersion: "2.35.2",
    now: () => 0,
  };
  const served = serveOnStream(far, host, { write, signal: new AbortController().signal, say: () => {} });
  served.catch(() => near.destroy());
  const from = new WireReader(new ByteSource(near), invalidMessage);
  const send = async (bytes: Uint8Array) => void near.write(bytes);
  const session = await openServeHandshake(from, send, "/nix/store", version);
  return new Client(near, from, session, served);
}

async function stocked() {
  const leases = new MemoryLeases();
  const remote = memoryStores(leases);
  const source = await chainStore();
  await copyPaths(ROOTS, source, remote, { registeredAt: 1 });
  return { leases, remote, source };
}

describe("nix-store --serve", () => {
  for (const version of [7, 8]) {
    test(`tells of paths, dumps them and knows their closures in 2.${version}`, async () => {
      const { leases, remote, source } = await stocked();
      const connection = await client({ write: false, version, remote }, leases);
      const valid = { lock: true, substitute: false, paths: [...ROOTS, pathOf("d")] };
      assert.deepEqual((await connection.ask("queryValidPaths", valid)).map(String), ROOTS.map(String));
      const infos = await connection.ask("queryPathInfos", { paths: [pathOf("d"), pathOf("b")] });
      const known = await source.pathInfos.get(pathOf("b").hashPart);
      assert.ok(known);
      assert.deepEqual(
        infos.map(({ path }) => `${path}`),
        [`${pathOf("b")}`],
      );
      assert.deepEqual(infos[0].info.narSha256, known.narSha256);
      assert.deepEqual(infos[0].info.references.map(String), known.references.map(String));
      const closure = await connection.ask("queryClosure", { includeOutputs: true, paths: [pathOf("c")] });
      assert.ok(closure.some((path) => path.equals(pathOf("c"))));
      await connection.ask("dumpStorePath", { path: pathOf("b") });
      const dumped: Uint8Array[] = [];
      for await (const chunk of connection.from.nar()) dumped.push(new Uint8Array(chunk));
      const nar = concatBytes(await Array.fromAsync(renderNar(known.node, source)));
      assert.deepEqual(concatBytes(dumped), nar);
      await connection.end();
    });
  }

  test("takes paths with --write, and nothing without", async () => {
    const source = await chainStore();
    const info = await source.pathInfos.get(pathOf("a").hashPart);
    assert.ok(info);
    const nar = concatBytes(await Array.fromAsync(renderNar(info.node, source)));
    const { path, narSha256, narSize, references } = info;
    const said = { narSha256, narSize, references, signatures: [], registeredAt: 0, ultimate: false };
    const request = { path, info: { ...said, deriver: undefined, contentAddress: undefined } };
    for (const write of [true, false]) {
      const leases = new MemoryLeases();
      const remote = memoryStores(leases);
      const connection = await client({ write, remote }, leases);
      const adding = connection.ask("addToStoreNar", request, nar);
      if (write) await adding;
      else {
        await assert.rejects(adding);
        await assert.rejects(connection.served, /importing paths is not allowed/);
      }
      assert.equal((await remote.pathInfos.get(path.hashPart)) !== undefined, write);
      if (write) await connection.end();
    }
  });

  test("refuses who is too old", async () => {
    const { leases, remote } = await stocked();
    const old = client({ write: false, version: 5, remote }, leases);
    await assert.rejects(old);
  });
});
