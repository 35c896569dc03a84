/* Builds over a connection: Firn's service keeps the contract through a real server, and build.v1 of Snix and Tvix does a build. */

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { after, test } from "node:test";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { byteStringOf, bytesOf, untilAborted } from "@firn/base";
import {
  type Attempt,
  type BuildService,
  executingBuildService,
  type Executor,
  proxiedBuildService,
} from "@firn/build";
import { buildServiceContract, type ContractBuilder, type ContractService } from "@firn/build/contract";
import { bytesOfDigest, type Digest, digestOf, type LeaseService, MemoryBlobs, MemoryDirectories } from "@firn/castore";
import { Peer, RemoteBuilds, RemoteExecutor, storeServices } from "@firn/protocol";
import { GrpcChannel, GrpcServer, type HttpServer, openHttpServer } from "@firn/protocol/node";
import { MemoryPathInfos, RenderingCalculator } from "@firn/store";
import { Client, credentials, status } from "@grpc/grpc-js";
import { contractService, contractStores } from "../../build/test/contract-service.ts";
import { recipeOf } from "../../build/test/recipes.ts";
import { BuildRequestSchema, BuildResponseSchema } from "../src/gen/snix/build/v1/build_pb.ts";
import { BuildSchema } from "../src/gen/tvix/build/v1/build_pb.ts";
import { messageCodec } from "../src/codec.ts";

const closing: (() => Promise<void>)[] = [];
after(async () => {
  for (const close of closing) await close();
});

const servers = new Map<number, HttpServer>();

/** The port of a server that builds with this service. */
async function serve(builds: BuildService, blobs = new MemoryBlobs(), leases?: LeaseService): Promise<number> {
  const directories = new MemoryDirectories();
  const calculator = new RenderingCalculator({ blobs, directories });
  const store = { blobs, directories, pathInfos: new MemoryPathInfos(), calculator, builds, leases };
  const handlers = storeServices(store, { now: () => 1, stopping: new AbortController().signal });
  const server = await openHttpServer({
    listen: { kind: "tcp", host: "127.0.0.1", port: 0 },
    grpc: new GrpcServer(handlers),
    onRequest: (_, response) => void response.end(),
  });
  closing.push(() => server.close());
  servers.set(server.port as number, server);
  return server.port as number;
}

function peerAt(port: number): Peer {
  const peer = new Peer(new GrpcChannel({ kind: "tcp", host: "127.0.0.1", port, isSecure: false }));
  closing.unshift(() => peer[Symbol.asyncDispose]());
  return peer;
}

async function connect(builds: BuildService): Promise<RemoteBuilds> {
  return RemoteBuilds.open(peerAt(await serve(builds)));
}

/** A builder here whose attempts are executed by one on a server, which has a store of its own. */
function executedElsewhere(builders: Readonly<Record<string, ContractBuilder>>): ContractService {
  const [near, far] = [contractStores(), contractStores()];
  const there = contractService(builders, {}, far);
  const directories = new MemoryDirectories(near.leases);
  const made = new Set<Digest>();
  let opened: Promise<RemoteExecutor> | undefined;
  const open = async () =>
    RemoteExecutor.open(peerAt(await serve(there.service, far.blobs, far.leases)), { blobs: near.blobs, directories });
  const executor: Executor = {
    name: "elsewhere",
    isolation: there.service.supports.isolation,
    execute: async (recipe, options) => {
      const outcome = await (await (opened ??= open())).execute(recipe, options);
      for (const { node } of outcome.outputs) {
        assert.ok(node.kind === "file");
        near.gone.delete(node.digest);
        made.add(node.digest);
      }
      return outcome;
    },
  };
  let ids = 0;
  const service = executingBuildService({
    executor,
    blobs: near.blobs,
    directories,
    leases: near.leases,
    systems: ["x86_64-linux"],
    jobsMax: 2,
    now: () => ++ids,
    newId: () => `near-${++ids}`,
  });
  return {
    service,
    runs: there.runs,
    file: contractService({}, {}, near).file,
    forgetOutputs: () => {
      for (const digest of made) near.gone.add(digest);
    },
  };
}

buildServiceContract("builds executed by a peer", executedElsewhere);

buildServiceContract("builds over gRPC", (builders) => {
  const local = contractService(builders);
  const service = proxiedBuildService(() => connect(local.service), { supports: local.service.supports });
  return { ...local, service };
});

const REQUEST = messageCodec(BuildRequestSchema);

/** Calls DoBuild by grpc-js. */
async function doBuild(builders: Readonly<Record<string, ContractBuilder>>, word: string, dialect: "snix" | "tvix") {
  const local = contractService(builders);
  const input = await local.file("an input");
  assert.ok(input.kind === "file");
  const client = new Client(`127.0.0.1:${await serve(local.service)}`, credentials.createInsecure());
  closing.unshift(async () => client.close());
  const named = {
    name: bytesOf("b-input"),
    digest: bytesOfDigest(input.digest),
    size: BigInt(input.size),
    executable: false,
  };
  const request = REQUEST.make({
    inputs: [{ entry: { case: "file", value: named } }],
    commandArgs: ["/bin/sh", word],
    workingDir: "build",
    scratchPaths: ["build", "nix/store"],
    inputsDir: "nix/store",
    outputs: ["nix/store/z-out", "nix/store/a-lib"],
    environmentVars: [{ key: "PATH", value: bytesOf("/none") }],
    constraints: { system: "x86_64-linux", provideBinSh: true },
    refscanNeedles: ["needle"],
  });
  return new Promise<Uint8Array>((resolve, reject) => {
    client.makeUnaryRequest(
      `/${dialect}.build.v1.BuildService/DoBuild`,
      (message: typeof request) => Buffer.from(toBinary(BuildRequestSchema, message)),
      (bytes: Buffer) => new Uint8Array(bytes),
      request,
      (error, answer) => (error === null ? resolve(answer as Uint8Array) : reject(error)),
    );
  });
}

test("a peer that answers with other outputs than the recipe has is not believed", async () => {
  const there = contractService({ copy: async () => "made" });
  const lies: readonly ((outputs: Attempt["outputs"]) => Attempt["outputs"])[] = [
    () => [],
    (outputs) => outputs.map((output) => ({ ...output, path: "nix/store/else" })),
    (outputs) => outputs.map((output) => ({ ...output, needles: [7] })),
  ];
  for (const lie of lies) {
    const lying: BuildService = {
      ...proxiedBuildService(async () => there.service, { supports: there.service.supports }),
      async *watch(id) {
        for await (const event of there.service.watch(id)) {
          if (event.type !== "ended") yield event;
          else yield { ...event, attempt: { ...event.attempt, outputs: lie(event.attempt.outputs) } };
        }
      },
    };
    const near = { blobs: new MemoryBlobs(), directories: new MemoryDirectories() };
    const executor = await RemoteExecutor.open(peerAt(await serve(lying)), near);
    const recipe = { ...recipeOf({ argv: ["/bin/sh", "copy"] }), inputs: [] };
    const options = { label: "it", lease: undefined, signal: new AbortController().signal, onLog: () => {} };
    await assert.rejects(executor.execute(recipe, options), { code: "sandbox", message: /does not have/ });
  }
});

test("a peer that goes away in the middle is the machinery's failure, told when it does not come back", async () => {
  const there = contractService({
    wait: async (_, log, signal) => {
      log("waiting\n");
      await untilAborted(signal);
      return { reason: "cancelled" };
    },
  });
  const port = await serve(there.service);
  const near = { blobs: new MemoryBlobs(), directories: new MemoryDirectories() };
  const executor = await RemoteExecutor.open(peerAt(port), near);
  const recipe = { ...recipeOf({ argv: ["/bin/sh", "wait"] }), inputs: [] };
  const said: string[] = [];
  const onLog = (bytes: Uint8Array) => {
    said.push(byteStringOf(bytes));
    void servers.get(port)?.close();
  };
  const options = { label: "it", lease: undefined, signal: new AbortController().signal, onLog };
  await assert.rejects(executor.execute(recipe, options), { code: "sandbox", retryable: true });
  assert.deepEqual(said, ["waiting\n"]);
  await there.service.cancel((await there.service.list()).attempts[0].id);
});

test("a submission listens for its signal until its attempts have ended", async () => {
  const local = contractService({ copy: async () => "made" });
  const builds = await connect(local.service);
  const { signal } = new AbortController();
  const submitted = await builds.submit(
    ["nix/store/a", "nix/store/b"].map((output) => ({
      recipe: recipeOf({ argv: ["/bin/sh", "copy"], outputs: [output] }),
    })),
    { signal },
  );
  for (const [i, id] of submitted.entries()) {
    assert.equal(getEventListeners(signal, "abort").length, 1, `while ${submitted.length - i} may run`);
    await Array.fromAsync(builds.watch(id));
  }
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("DoBuild of Snix answers with the outputs in the order of the request", async () => {
  const { outputs } = fromBinary(
    BuildResponseSchema,
    await doBuild({ copy: async ({ inputs }) => `${inputs} copied` }, "copy", "snix"),
  );
  assert.equal(outputs.length, 2);
  for (const { output } of outputs) {
    assert.ok(output?.entry.case === "file");
    assert.deepEqual(new Uint8Array(output.entry.value.digest), bytesOfDigest(digestOf(bytesOf("an input copied"))));
    assert.equal(output.entry.value.name.length, 0);
  }
});

test("DoBuild of Tvix answers with the request, and the outputs by name", async () => {
  const answer = fromBinary(
    BuildSchema,
    await doBuild({ copy: async ({ inputs }) => `${inputs} copied` }, "copy", "tvix"),
  );
  const { buildRequest } = answer;
  assert.deepEqual(buildRequest?.outputs, ["nix/store/z-out", "nix/store/a-lib"]);
  assert.deepEqual(buildRequest.commandArgs, ["/bin/sh", "copy"]);
  assert.deepEqual(new Uint8Array(buildRequest.environmentVars[0].value), bytesOf("/none"));
  assert.equal(buildRequest.inputs[0].node.case, "file");
  const names = answer.outputs.map(({ node }) => (node.case === undefined ? "" : byteStringOf(node.value.name)));
  assert.deepEqual(names, ["a-lib", "z-out"]);
  assert.equal(answer.outputsNeedles.length, 2);
});

test("a failed build is INTERNAL with its reason, a bad request INVALID_ARGUMENT", async () => {
  const fails = { fail: async () => ({ reason: "exit-code", code: 3 }) as const };
  await assert.rejects(doBuild(fails, "fail", "snix"), {
    code: status.INTERNAL,
    details: "the build failed with exit code 3",
  });
  const client = new Client(`127.0.0.1:${await serve(contractService({}).service)}`, credentials.createInsecure());
  const bad = new Promise((resolve, reject) => {
    const same = (bytes: Buffer) => bytes;
    client.makeUnaryRequest("/snix.build.v1.BuildService/DoBuild", same, same, Buffer.alloc(0), (error) =>
      error ? reject(error) : resolve(0),
    );
  });
  await assert.rejects(bad, { code: status.INVALID_ARGUMENT });
  client.close();
});
