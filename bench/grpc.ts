/*
gRPC beside grpc-js: contents out and in, and small calls, one client and one server, each a process. Both sides of a pair are the same implementation, with the
same messages. CPU time is that of both processes; a ratio above 1 means that Firn moves more.

    node dev/node.cjs bench/grpc.ts
*/

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Digest, bytesOfDigest, EMPTY_DIGEST } from "@firn/castore";
import { GrpcChannel, GrpcServer, openHttpServer } from "@firn/protocol/node";
import {
  Client,
  credentials,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import { CASTORE_METHODS, STAT_BLOB_REQUEST, STAT_BLOB_RESPONSE } from "../packages/protocol/src/castore-methods.ts";
import {
  BlobChunkSchema,
  PutBlobResponseSchema,
  ReadBlobRequestSchema,
  StatBlobRequestSchema,
  StatBlobResponseSchema,
} from "../packages/protocol/src/gen/snix/castore/v1/castore_pb.ts";
import {
  callServerStream,
  callUnary,
  clientStream,
  ClientStream,
  serverStream,
  unary,
} from "../packages/protocol/src/rpc.ts";

const RUNS = Number(process.env.BENCH_RUNS ?? 5);
const CHUNK = new Uint8Array(256 * 1024).fill(7);
const CHUNKS = 512;
const CALLS = 4000;
const CALLS_AHEAD = 64;
const { stat, read, putBlob } = CASTORE_METHODS.snix;
const digest = bytesOfDigest(EMPTY_DIGEST as Digest);

type Peer = { read(): Promise<void>; put(): Promise<void>; stat(): Promise<void>; close(): Promise<void> };

async function serveFirn(): Promise<number> {
  const handlers = [
    unary(stat, async () => STAT_BLOB_RESPONSE.make({})),
    serverStream(read, async function* () {
      for (let i = 0; i < CHUNKS; i++) yield CHUNK;
    }),
    clientStream(putBlob, async (pieces) => {
      for await (const _ of pieces);
      return digest;
    }),
  ];
  const listen = { kind: "tcp", host: "127.0.0.1", port: 0 } as const;
  const server = await openHttpServer({
    listen,
    grpc: new GrpcServer(handlers),
    onRequest: (_, response) => response.end(),
  });
  return server.port as number;
}

function serveGrpcJs(): Promise<number> {
  const method = (path: string, requestStream: boolean, responseStream: boolean, input: never, output: never) => ({
    path,
    requestStream,
    responseStream,
    requestSerialize: (value: never) => Buffer.from(toBinary(input, value)),
    requestDeserialize: (bytes: Buffer) => fromBinary(input, bytes),
    responseSerialize: (value: never) => Buffer.from(toBinary(output, value)),
    responseDeserialize: (bytes: Buffer) => fromBinary(output, bytes),
  });
  const definition = {
    stat: method(stat.path, false, false, StatBlobRequestSchema as never, StatBlobResponseSchema as never),
    read: method(read.path, false, true, ReadBlobRequestSchema as never, BlobChunkSchema as never),
    put: method(putBlob.path, true, false, BlobChunkSchema as never, PutBlobResponseSchema as never),
  } as unknown as ServiceDefinition;
  const handlers = {
    stat: (_: unknown, done: (error: null, value: object) => void) =>
      done(null, { $typeName: "snix.castore.v1.StatBlobResponse", chunks: [], bao: new Uint8Array() }),
    read: async (call: { write(value: object): boolean; once(event: string, then: () => void): void; end(): void }) => {
      for (let i = 0; i < CHUNKS; i++) {
        if (!call.write({ $typeName: "snix.castore.v1.BlobChunk", data: CHUNK }))
          await new Promise<void>((go) => call.once("drain", go));
      }
      call.end();
    },
    put: async (call: AsyncIterable<unknown>, done: (error: null, value: object) => void) => {
      for await (const _ of call);
      done(null, { $typeName: "snix.castore.v1.PutBlobResponse", digest });
    },
  };
  const server = new Server({ "grpc.max_receive_message_length": -1 });
  server.addService(definition, handlers as unknown as Record<string, UntypedHandleCall>);
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    );
  });
}

function firnPeer(port: number): Peer {
  const channel = new GrpcChannel({ kind: "tcp", host: "127.0.0.1", port, isSecure: false });
  return {
    read: async () => {
      for await (const _ of callServerStream(channel, read, digest));
    },
    put: async () => {
      const stream = new ClientStream(channel, putBlob);
      for (let i = 0; i < CHUNKS; i++) await stream.send(CHUNK);
      await stream.finish();
    },
    stat: async () => {
      await callUnary(channel, stat, STAT_BLOB_REQUEST.make({ digest }));
    },
    close: () => channel[Symbol.asyncDispose](),
  };
}

function grpcJsPeer(port: number): Peer {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
  });
  const write = (schema: never) => (value: never) => Buffer.from(toBinary(schema, value));
  const reads = (schema: never) => (bytes: Buffer) => fromBinary(schema, bytes);
  const chunk = { $typeName: "snix.castore.v1.BlobChunk", data: CHUNK } as never;
  const request = { $typeName: "snix.castore.v1.ReadBlobRequest", digest } as never;
  return {
    read: async () => {
      const call = client.makeServerStreamRequest(
        read.path,
        write(ReadBlobRequestSchema as never),
        reads(BlobChunkSchema as never),
        request,
      );
      for await (const _ of call);
    },
    put: () =>
      new Promise((resolve, reject) => {
        const done = (error: Error | null) => (error ? reject(error) : resolve());
        const call = client.makeClientStreamRequest(
          putBlob.path,
          write(BlobChunkSchema as never),
          reads(PutBlobResponseSchema as never),
          done,
        );
        const send = async () => {
          for (let i = 0; i < CHUNKS; i++) if (!call.write(chunk)) await once(call, "drain");
          call.end();
        };
        send().catch(reject);
      }),
    stat: () =>
      new Promise((resolve, reject) => {
        const message = STAT_BLOB_REQUEST.make({ digest }) as never;
        client.makeUnaryRequest(
          stat.path,
          write(StatBlobRequestSchema as never),
          reads(StatBlobResponseSchema as never),
          message,
          (error) => (error ? reject(error) : resolve()),
        );
      }),
    close: async () => client.close(),
  };
}

async function manyCalls(peer: Peer): Promise<void> {
  let left = CALLS;
  const one = async () => {
    while (left-- > 0) await peer.stat();
  };
  await Promise.all(Array.from({ length: CALLS_AHEAD }, one));
}

type Side = { readonly name: string; readonly server: ChildProcess; readonly peer: Peer };

async function openSide(name: "firn" | "grpc-js"): Promise<Side> {
  const server = spawn(process.execPath, [import.meta.filename, name], { stdio: ["ignore", "pipe", "inherit", "ipc"] });
  const [port] = (await once(server, "message")) as [number];
  return { name, server, peer: name === "firn" ? firnPeer(port) : grpcJsPeer(port) };
}

/** CPU milliseconds of a side's server. */
async function cpuOf({ server }: Side): Promise<number> {
  server.send("cpu");
  const [usage] = (await once(server, "message")) as [NodeJS.CpuUsage];
  return (usage.user + usage.system) / 1000;
}

async function measure(
  side: Side,
  work: () => Promise<void>,
): Promise<{ readonly wallMs: number; readonly cpuMs: number }> {
  const serverFrom = await cpuOf(side);
  const from = process.cpuUsage();
  const fromMs = performance.now();
  await work();
  const wallMs = performance.now() - fromMs;
  const own = process.cpuUsage(from);
  return { wallMs, cpuMs: (own.user + own.system) / 1000 + (await cpuOf(side)) - serverFrom };
}

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[values.length >> 1];
}

async function main(): Promise<void> {
  const sides = [await openSide("firn"), await openSide("grpc-js")];
  const megabytes = (CHUNK.length * CHUNKS) / 1e6;
  const rows: readonly (readonly [string, number, string, (peer: Peer) => Promise<void>])[] = [
    ["contents out", megabytes, "MB/s", (peer) => peer.read()],
    ["contents in", megabytes, "MB/s", (peer) => peer.put()],
    ["small calls", CALLS, "calls/s", manyCalls],
  ];
  console.log(`gRPC, one client (medians of ${RUNS} runs; wall, and CPU ms of both processes)`);
  for (const [what, amount, unit, work] of rows) {
    const found = sides.map(() => ({ wallMs: [] as number[], cpuMs: [] as number[] }));
    for (let run = 0; run <= RUNS; run++) {
      for (const [i, side] of sides.entries()) {
        const { wallMs, cpuMs } = await measure(side, () => work(side.peer));
        if (run === 0) continue; // warm from here on
        found[i].wallMs.push(wallMs);
        found[i].cpuMs.push(cpuMs);
      }
    }
    const [firn, other] = found.map(({ wallMs, cpuMs }) => ({
      rate: amount / (median(wallMs) / 1000),
      cpu: median(cpuMs),
    }));
    console.log(
      `  ${what.padEnd(14)} firn ${firn.rate.toFixed(0)} ${unit} ${firn.cpu.toFixed(0)} ms   grpc-js ${other.rate.toFixed(0)} ${unit} ${other.cpu.toFixed(0)} ms   ` +
        `rate x${(firn.rate / other.rate).toFixed(2)}, CPU x${(firn.cpu / other.cpu).toFixed(2)}`,
    );
  }
  for (const { peer, server } of sides) {
    await peer.close();
    server.kill();
  }
}

const [, , role] = process.argv;
if (role === undefined) await main();
else {
  const port = role === "firn" ? await serveFirn() : await serveGrpcJs();
  process.on("message", () => process.send?.(process.cpuUsage()));
  process.send?.(port);
}
