/* Clients that share no code with ours, on every method: grpc-js, `buf curl` with reflection over gRPC, gRPC-Web and Connect, and Connect's own over HTTP/1.1. */

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { type DescMethod, fromJson, toBinary, fromBinary, toJson } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { mapConcurrently } from "@firn/base";
import { type RpcHandler, storeServices } from "@firn/protocol";
import { Client, credentials, Metadata, status } from "@grpc/grpc-js";
import { fill, RPC_CASES, restrictedTo } from "./rpc-cases.ts";
import { openServed } from "./served.ts";

let served: Awaited<ReturnType<typeof openServed>>;
let handlers: readonly RpcHandler[];
let client: Client;
const run = promisify(execFile);
const BUF = join(import.meta.dirname, "../../../node_modules/@bufbuild/buf/bin/buf");

before(async () => {
  served = await openServed();
  await fill(served);
  handlers = storeServices(served.store, { now: () => 0, stopping: new AbortController().signal });
  client = new Client(`127.0.0.1:${served.server.port}`, credentials.createInsecure());
});
after(async () => {
  client.close();
  await served.close();
});

const descriptorOf = (method: string): DescMethod =>
  handlers.find(({ method: { path } }) => path === `/${method}`)?.method.descriptor as DescMethod;

/** Calls by grpc-js with the library's own codecs. */
function callGrpcJs(
  method: string,
  requests: readonly object[],
  metadata = new Metadata(),
  { deadlineMs, answersMax = Infinity }: { readonly deadlineMs?: number; readonly answersMax?: number } = {},
): Promise<object[]> {
  const { input, output } = descriptorOf(method);
  const write = (json: object) => Buffer.from(toBinary(input, fromJson(input, json as never)));
  const read = (bytes: Buffer) => toJson(output, fromBinary(output, bytes)) as object;
  const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
  const call = client.makeBidiStreamRequest(`/${method}`, write, read, metadata, options);
  return new Promise((resolve, reject) => {
    const answers: object[] = [];
    call.on("data", (answer: object) => {
      if (answers.push(answer) < answersMax) return;
      resolve(answers);
      call.cancel();
    });
    call.on("end", () => resolve(answers));
    call.on("error", reject);
    for (const request of requests) call.write(request);
    call.end();
  });
}

test("every method of every service is served, and has a case", () => {
  const services = new Set(handlers.map(({ method }) => method.descriptor.parent));
  const described = [...services].flatMap(({ typeName, methods }) => methods.map(({ name }) => `${typeName}/${name}`));
  assert.deepEqual(described.sort(), handlers.map(({ method }) => method.path.slice(1)).sort());
  assert.deepEqual(described, RPC_CASES.map(({ method }) => method).sort());
});

for (const { method, requests, answers, isEndless } of RPC_CASES) {
  test(`grpc-js calls ${method}`, async () => {
    const answersMax = isEndless ? answers.length : undefined;
    const found = await callGrpcJs(method, requests, new Metadata(), { answersMax });
    assert.deepEqual(restrictedTo(found, answers), answers);
  });
}

test("buf curl calls every method, by what reflection tells it", async () => {
  const protocols = ["grpc", "grpcweb", "connect"];
  const cases = RPC_CASES.map((one, i) => ({ ...one, protocol: protocols[i % protocols.length] }));
  await mapConcurrently(cases, 4, async ({ method, requests, answers, isEndless, protocol }) => {
    const data = requests.map((request) => JSON.stringify(request)).join("\n");
    const argv = [
      "curl",
      "--protocol",
      protocol,
      "--http2-prior-knowledge",
      "-d",
      data,
      `${served.server.url}/${method}`,
    ];
    const found = isEndless ? await firstAnswer(argv) : messagesOf((await run(BUF, argv, { timeout: 30_000 })).stdout);
    assert.deepEqual(restrictedTo(found, answers), answers, `${method} by ${protocol}`);
  });
});

const messagesOf = (text: string) => JSON.parse(`[${text.replace(/\}\s*\{/g, "},{")}]`) as object[];

/** What `buf` prints until a message is complete. */
async function firstAnswer(argv: readonly string[]): Promise<object[]> {
  // With a group of its own: the package's program only starts the one that calls.
  const child = spawn(BUF, argv, { stdio: ["ignore", "pipe", "inherit"], detached: true });
  let text = "";
  for await (const piece of child.stdout) {
    text += piece;
    if (/^\}/m.test(text) || /^\{.*\}$/m.test(text)) break;
  }
  process.kill(-(child.pid as number), "SIGKILL");
  return messagesOf(text);
}

test("buf curl lists the services", async () => {
  const { stdout } = await run(BUF, ["curl", "--http2-prior-knowledge", "--list-services", served.server.url]);
  const services = new Set(handlers.map(({ method }) => method.descriptor.parent.typeName));
  assert.deepEqual(stdout.trim().split("\n").sort(), [...services].sort());
});

test("Connect's clients call over HTTP/1.1, by Connect and gRPC-Web", async () => {
  const transports: Transport[] = [
    createConnectTransport({ baseUrl: served.server.url, httpVersion: "1.1" }),
    createGrpcWebTransport({ baseUrl: served.server.url, httpVersion: "1.1" }),
  ];
  for (const transport of transports) {
    for (const { method, requests, answers, isEndless } of RPC_CASES) {
      const descriptor = descriptorOf(method);
      const { input, output, methodKind } = descriptor;
      const isStreamed = methodKind === "server_streaming";
      if (isEndless || (!isStreamed && methodKind !== "unary")) continue;
      const call = createClient(descriptor.parent, transport)[descriptor.localName] as (request: object) => unknown;
      const answer = call(fromJson(input, requests[0] as never));
      const messages = isStreamed ? await Array.fromAsync(answer as AsyncIterable<never>) : [(await answer) as never];
      assert.deepEqual(
        restrictedTo(
          messages.map((message) => toJson(output, message)),
          answers,
        ),
        answers,
        method,
      );
    }
  }
});

test("statuses are the ones castore.v1 names", async () => {
  const cases = [
    ["snix.castore.v1.BlobService/Stat", { digest: "AAAA" }, status.INVALID_ARGUMENT],
    ["snix.castore.v1.BlobService/Read", { digest: `${"A".repeat(43)}=` }, status.NOT_FOUND],
    ["snix.castore.v1.DirectoryService/Get", {}, status.INVALID_ARGUMENT],
    ["snix.castore.v1.DirectoryService/Get", { digest: `${"A".repeat(43)}=` }, status.NOT_FOUND],
    ["snix.store.v1.PathInfoService/Get", {}, status.UNIMPLEMENTED],
    ["snix.store.v1.PathInfoService/Get", { byOutputHash: "AAAA" }, status.INVALID_ARGUMENT],
    ["snix.store.v1.PathInfoService/Put", {}, status.INVALID_ARGUMENT],
    [
      "snix.store.v1.PathInfoService/CalculateNAR",
      { file: { name: "AAAA", digest: `${"A".repeat(43)}=` } },
      status.INVALID_ARGUMENT,
    ],
    ["grpc.health.v1.Health/Check", { service: "none" }, status.NOT_FOUND],
  ] as const;
  for (const [method, request, code] of cases)
    await assert.rejects(callGrpcJs(method, [request]), { code }, `${method} ${JSON.stringify(request)}`);
});

test("a recursive get of an absent directory is empty", async () => {
  const request = { digest: `${"A".repeat(43)}=`, recursive: true };
  assert.deepEqual(await callGrpcJs("snix.castore.v1.DirectoryService/Get", [request]), []);
});

test("a deadline that passes ends the call on both sides", async () => {
  await assert.rejects(callGrpcJs("grpc.health.v1.Health/Watch", [{}], new Metadata(), { deadlineMs: 50 }), {
    code: status.DEADLINE_EXCEEDED,
  });
});

test("a watch of health hears that the server stops", async () => {
  const other = await openServed();
  const watching = new Client(`127.0.0.1:${other.server.port}`, credentials.createInsecure());
  const { input, output } = descriptorOf("grpc.health.v1.Health/Watch");
  const call = watching.makeServerStreamRequest(
    "/grpc.health.v1.Health/Watch",
    () => Buffer.from(toBinary(input, fromJson(input, {}))),
    (bytes: Buffer) => toJson(output, fromBinary(output, bytes)),
    {},
  );
  const heard: unknown[] = [];
  for await (const answer of call) {
    heard.push(answer);
    other.stopping.abort();
  }
  assert.deepEqual(heard, [{ status: "SERVING" }, { status: "NOT_SERVING" }]);
  watching.close();
  await other.close();
});

test("a method nobody has is unimplemented, and a message above the limit is refused", async () => {
  const write = (bytes: Buffer) => bytes;
  const call = (path: string, bytes: Buffer) =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, write, write, bytes, (error, answer) => (error ? reject(error) : resolve(answer)));
    });
  await assert.rejects(call("/no.Service/Method", Buffer.alloc(0)), { code: status.UNIMPLEMENTED });
  const stat = "/snix.castore.v1.BlobService/Stat";
  await assert.rejects(call(stat, Buffer.alloc(5 << 20)), { code: status.RESOURCE_EXHAUSTED });
  await assert.rejects(call(stat, Buffer.from("ff", "hex")), { code: status.INVALID_ARGUMENT });
});
