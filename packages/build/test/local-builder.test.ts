import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { bytesOf, byteStringOf, collectBytes } from "@firn/base";
import {
  CastoreError,
  type Digest,
  type ImportOptions,
  MemoryBlobs,
  MemoryDirectories,
  MemoryLeases,
  type Node,
  type TreeExposer,
  type TreeImporter,
} from "@firn/castore";
import type { Attempt } from "../src/attempt.ts";
import type { AttemptEvent, BuildService, SubmitOptions } from "../src/build-service.ts";
import { BuildError } from "../src/error.ts";
import { createBuildService } from "../src/local-builder.ts";
import type { Recipe } from "../src/recipe.ts";
import type { Sandbox, SandboxJob, SandboxResult } from "../src/sandbox.ts";
import { fileNode, recipeOf } from "./recipes.ts";

type Script = (job: SandboxJob, log: (text: string) => void, signal: AbortSignal) => Promise<Partial<SandboxResult>>;

/** A service whose builders are functions, whose host files are strings in a map, and which counts what is held. */
function serviceOf(script: Script, jobsMax = 2) {
  const memoryLeases = new MemoryLeases();
  const blobs = new MemoryBlobs(memoryLeases);
  const held = { exposed: 0, runs: 0, leases: 0, running: 0, runningMax: 0, jobs: [] as SandboxJob[] };
  const leases = {
    openLease: async (label: string) => {
      const lease = await memoryLeases.openLease(label);
      const { release } = lease;
      let open = true;
      held.leases++;
      return Object.assign(lease, {
        release: async () => {
          if (open) held.leases--;
          open = false;
          await release();
        },
      });
    },
  };
  const exposer: TreeExposer = {
    expose: async (nodes) => {
      held.exposed++;
      const release = async () => void held.exposed--;
      return { hostPaths: nodes.map((_, i) => `/exposed/${i}`), release, [Symbol.asyncDispose]: release };
    },
  };
  const importer: TreeImporter = {
    importTree: async (hostPath: string, options: ImportOptions = {}): Promise<Node> => {
      if (hostPath.includes("socket")) throw new CastoreError("unsupported-file", `${hostPath}/s is a socket`);
      if (hostPath.includes("broken")) throw new CastoreError("storage", "disk full");
      const bytes = bytesOf(`contents of ${hostPath}`);
      options.observer?.file()(bytes);
      return { kind: "file", digest: await blobs.put(bytes, options), size: bytes.length, executable: false };
    },
  };
  const sandbox: Sandbox = {
    name: "functions",
    isolation: { files: true, network: true, processes: true },
    run: async (job, onLog, signal, turn) => {
      if (turn !== undefined && !(await turn.begin())) {
        const dispose = async () => {};
        const result = { end: { reason: "cancelled" as const }, outputs: [] };
        return { result, dispose, [Symbol.asyncDispose]: dispose };
      }
      held.jobs.push(job);
      held.running++;
      held.runningMax = Math.max(held.runningMax, held.running);
      held.runs++;
      try {
        const result = {
          end: { reason: "succeeded" as const },
          outputs: job.outputs.map((path) => `/host/${path}`),
          ...(await script(job, (text) => onLog(bytesOf(text)), signal)),
        };
        const dispose = async () => void held.runs--;
        return { result, dispose, [Symbol.asyncDispose]: dispose };
      } catch (thrown) {
        held.runs--;
        throw thrown;
      } finally {
        held.running--;
        turn?.end();
      }
    },
  };
  let ids = 0;
  let clock = 1000;
  const service = createBuildService({
    sandbox,
    blobs,
    directories: new MemoryDirectories(memoryLeases),
    exposer,
    importer,
    leases,
    systems: ["x86_64-linux"],
    features: ["kvm"],
    jobsMax,
    now: () => clock++,
    newId: () => `attempt-${++ids}`,
  });
  const assertNothingHeld = () => assert.deepEqual([held.exposed, held.runs, held.leases], [0, 0, 0]);
  return { service, blobs, leases: memoryLeases, held, assertNothingHeld };
}

async function submitOne(service: BuildService, recipe: Recipe, options?: SubmitOptions): Promise<string> {
  return (await service.submit([{ recipe }], options))[0];
}

async function eventsOf(service: BuildService, id: string, from?: number): Promise<AttemptEvent[]> {
  const events: AttemptEvent[] = [];
  for await (const event of service.watch(id, { from })) events.push(event);
  return events;
}

async function endOf(service: BuildService, id: string): Promise<Attempt> {
  const last = (await eventsOf(service, id)).at(-1);
  assert.ok(last?.type === "ended");
  return last.attempt;
}

const logOf = (events: AttemptEvent[]) =>
  events.map((event) => (event.type === "log" ? byteStringOf(event.bytes) : "")).join("");
const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
const cancelledResult = { end: { reason: "cancelled" as const }, outputs: [] };

test("a success yields outputs with their needles, the log as a blob, and holds nothing afterwards", async () => {
  const { service, blobs, held, assertNothingHeld } = serviceOf(async (_job, log) => {
    log("one\n");
    log("two\n");
    return { cpuUserMs: 5 };
  });
  const input = { kind: "file" as const, digest: await blobs.put(bytesOf("in")), size: 2, executable: false };
  const recipe = recipeOf({
    inputs: [{ path: "nix/store/in", node: input }],
    outputs: ["nix/store/aaa-out", "nix/store/bbb-dev"],
    needles: ["bbb", "ccc", "aaa"],
  });
  const id = await submitOne(service, recipe, { timeoutMs: 7, silenceMs: 8, buildSpaceBytes: 9 });
  const attempt = await endOf(service, id);
  assert.equal(attempt.status, "succeeded");
  assert.deepEqual(
    attempt.outputs.map(({ path, needles }) => [path, needles]),
    [
      ["nix/store/aaa-out", [2]],
      ["nix/store/bbb-dev", [0]],
    ],
  );
  assert.equal(attempt.cpuUserMs, 5);
  assert.equal(attempt.logBytes, 8);
  const reader = await blobs.openRead(attempt.log as Digest);
  assert.ok(reader);
  assert.equal(byteStringOf(await collectBytes(reader.stream(), 100, () => new Error("too long"))), "one\ntwo\n");
  assert.ok((attempt.endedAtMs as number) > (attempt.startedAtMs as number));
  assert.deepEqual(await service.get(id), attempt);
  const [job] = held.jobs;
  assert.deepEqual(job.inputs, [{ path: "nix/store/in", hostPath: "/exposed/0" }]);
  assert.deepEqual([job.timeoutMs, job.silenceMs, job.buildSpaceBytes, job.network, job.shell], [7, 8, 9, false, true]);
  assertNothingHeld();
});

test("what the sandbox says about a failure is the attempt's end, with its log", async () => {
  const { service, assertNothingHeld } = serviceOf(async (_job, log) => {
    log("oh no");
    return { end: { reason: "exit-code", code: 3 } };
  });
  const attempt = await endOf(service, await submitOne(service, recipeOf()));
  assert.deepEqual(
    [attempt.status, attempt.end, attempt.outputs, attempt.logBytes],
    ["failed", { reason: "exit-code", code: 3 }, [], 5],
  );
  assertNothingHeld();
});

const failures: [what: string, recipe: Recipe, script: Script, end: unknown][] = [
  [
    "a missing output",
    recipeOf({ outputs: ["a/x", "a/y"] }),
    async () => ({ outputs: ["/host/a/x", undefined] }),
    { reason: "output-missing", path: "a/y" },
  ],
  [
    "a special file in an output",
    recipeOf({ outputs: ["a/x", "a/socket"] }),
    async () => ({}),
    { reason: "output-refused", path: "a/socket", why: "/a/socket/s is a socket" },
  ],
  [
    "a store that fails",
    recipeOf({ outputs: ["a/broken"] }),
    async () => ({}),
    { reason: "infrastructure", why: "disk full" },
  ],
  [
    "a sandbox that fails",
    recipeOf(),
    () => Promise.reject(new BuildError("sandbox", "no namespaces")),
    { reason: "infrastructure", why: "no namespaces" },
  ],
];

for (const [what, recipe, script, end] of failures) {
  test(`${what} fails the attempt and leaves nothing held`, async () => {
    const { service, assertNothingHeld } = serviceOf(script);
    const attempt = await endOf(service, await submitOne(service, recipe));
    assert.deepEqual([attempt.status, attempt.end, attempt.outputs], ["failed", end, []]);
    assertNothingHeld();
  });
}

test("submit refuses what cannot start", async () => {
  const { service, assertNothingHeld } = serviceOf(async () => ({}));
  const code = (wanted: string) => (thrown: unknown) => thrown instanceof BuildError && thrown.code === wanted;
  const constraints = recipeOf().constraints;
  await assert.rejects(submitOne(service, recipeOf({ argv: [] })), code("invalid-recipe"));
  await assert.rejects(
    submitOne(service, recipeOf({ constraints: { ...constraints, system: "riscv64-linux" } })),
    code("unsupported"),
  );
  await assert.rejects(
    submitOne(service, recipeOf({ constraints: { ...constraints, features: ["benchmark", "kvm"] } })),
    code("unsupported"),
  );
  await assert.rejects(
    submitOne(service, recipeOf({ inputs: [{ path: "nix/a", node: fileNode }] })),
    code("missing-input"),
  );
  await assert.rejects(
    submitOne(service, recipeOf({ inputs: [{ path: "nix/a", recipe: "c".repeat(64) as Digest, output: 0 }] })),
    code("missing-input"),
  );
  const signal = AbortSignal.abort(new Error("never mind"));
  await assert.rejects(submitOne(service, recipeOf(), { signal }), /never mind/);
  assertNothingHeld();
  assert.equal((await service.list()).attempts.length, 0);
});

test("outputs of a recipe built here can be inputs of the next", async () => {
  const { service, held } = serviceOf(async () => ({}));
  const first = await endOf(service, await submitOne(service, recipeOf()));
  const second = await submitOne(
    service,
    recipeOf({ argv: ["/second"], inputs: [{ path: "nix/store/first", recipe: first.recipe, output: 0 }] }),
  );
  assert.equal((await endOf(service, second)).status, "succeeded");
  assert.equal(held.jobs[1].inputs.length, 1);
});

test("an equal recipe under way is joined, one that ended is attempted again", async () => {
  const gate = Promise.withResolvers<void>();
  const { service } = serviceOf(async () => {
    await gate.promise;
    return {};
  });
  const [first, second] = await Promise.all([submitOne(service, recipeOf()), submitOne(service, recipeOf())]);
  assert.equal(first, second);
  assert.equal(await submitOne(service, recipeOf()), first);
  assert.notEqual(await submitOne(service, recipeOf({ argv: ["/other"] })), first);
  gate.resolve();
  await endOf(service, first);
  assert.notEqual(await submitOne(service, recipeOf()), first);
});

test("watchers see the log from any offset, while it grows and after", async () => {
  const step = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { service } = serviceOf(async (_job, log) => {
    log("0123");
    await step[0].promise;
    log("4567");
    log("89");
    await step[1].promise;
    return {};
  });
  const id = await submitOne(service, recipeOf());
  const early = [eventsOf(service, id), eventsOf(service, id, 2), eventsOf(service, id, 6), eventsOf(service, id, 100)];
  await sleep(5);
  step[0].resolve();
  const middle = eventsOf(service, id, 3);
  await sleep(5);
  step[1].resolve();
  const logs = (await Promise.all([...early, middle])).map(logOf);
  assert.deepEqual(logs, ["0123456789", "23456789", "6789", "", "3456789"]);
  const late = await eventsOf(service, id, 4);
  assert.equal(logOf(late), "456789");
  assert.deepEqual([late[0].type, late.at(-1)?.type], ["started", "ended"]);
  assert.deepEqual(
    (await eventsOf(service, id)).flatMap((event) => (event.type === "log" ? [event.at] : [])).at(-1),
    10,
  );
});

test("a watcher may leave, by its signal too, and the attempt goes on", async () => {
  const gate = Promise.withResolvers<void>();
  const { service } = serviceOf(async (_job, log) => {
    log("x");
    await gate.promise;
    return {};
  });
  const id = await submitOne(service, recipeOf());
  for await (const event of service.watch(id)) if (event.type === "log") break;
  const left = new AbortController();
  const watching = (async () => {
    for await (const _ of service.watch(id, { signal: left.signal }));
  })();
  left.abort(new Error("gone"));
  await assert.rejects(watching, /gone/);
  gate.resolve();
  assert.equal((await endOf(service, id)).status, "succeeded");
});

test("an unknown attempt is no attempt", async () => {
  const { service } = serviceOf(async () => ({}));
  await assert.rejects(
    eventsOf(service, "none"),
    (thrown) => thrown instanceof BuildError && thrown.code === "unknown-attempt",
  );
  assert.equal(await service.get("none"), undefined);
  await service.cancel("none");
});

test("cancel ends a running attempt and a waiting one, and resolves when they are gone", async () => {
  const { service, held, assertNothingHeld } = serviceOf(async (_job, _log, signal) => {
    await untilAborted(signal);
    return cancelledResult;
  }, 1);
  const running = await submitOne(service, recipeOf());
  const waiting = await submitOne(service, recipeOf({ argv: ["/waits"] }));
  await service.cancel(waiting);
  assert.deepEqual((await service.get(waiting))?.end, { reason: "cancelled" });
  assert.equal((await service.get(running))?.status, "running");
  await service.cancel(running);
  await service.cancel(running);
  assert.deepEqual((await service.get(running))?.end, { reason: "cancelled" });
  assert.equal(held.jobs.length, 1);
  assertNothingHeld();
});

test("an attempt is cancelled when all its submissions are withdrawn, not before", async () => {
  const { service } = serviceOf(async (_job, _log, signal) => {
    await untilAborted(signal);
    return cancelledResult;
  });
  const [first, second] = [new AbortController(), new AbortController()];
  const id = await submitOne(service, recipeOf(), { signal: first.signal });
  assert.equal(await submitOne(service, recipeOf(), { signal: second.signal }), id);
  first.abort();
  await sleep(5);
  assert.equal((await service.get(id))?.status, "running");
  second.abort();
  const again = await submitOne(service, recipeOf(), { signal: AbortSignal.timeout(20) });
  assert.notEqual(again, id, "a submission does not join what is being cancelled");
  assert.deepEqual((await endOf(service, id)).end, { reason: "cancelled" });
  assert.deepEqual((await endOf(service, again)).end, { reason: "cancelled" });
});

test("at most jobsMax attempts run at once, in the order they came", async () => {
  const { service, held } = serviceOf(async () => {
    await sleep(2);
    return {};
  }, 3);
  const ids = await Promise.all(
    Array.from({ length: 12 }, (_, i) => submitOne(service, recipeOf({ argv: ["/bin/sh", `${i}`] }))),
  );
  await Promise.all(ids.map((id) => endOf(service, id)));
  assert.equal(held.runningMax, 3);
  assert.deepEqual(
    held.jobs.map((job) => job.argv[1]),
    Array.from({ length: 12 }, (_, i) => `${i}`),
  );
});

test("the lease of a submission holds outputs and log", async () => {
  const { service, blobs, leases } = serviceOf(async (_job, log) => {
    log("said");
    return {};
  });
  const asked: unknown[] = [];
  const has = blobs.has.bind(blobs);
  const lease = await leases.openLease("mine");
  blobs.has = async (digest, options) => {
    if (options?.lease === lease) asked.push(digest);
    return await has(digest, options);
  };
  const attempt = await endOf(service, await submitOne(service, recipeOf(), { lease }));
  const { node } = attempt.outputs[0];
  assert.deepEqual(asked, [attempt.log, node.kind === "file" && node.digest]);
});

test("a submission whose lease ended meanwhile does not harm the attempt", async () => {
  const { service, leases } = serviceOf(async () => ({}));
  const lease = await leases.openLease("short");
  const id = await submitOne(service, recipeOf(), { lease });
  await lease.release();
  assert.equal((await endOf(service, id)).status, "succeeded");
});

test("attempts are listed newest first, by recipe and up to a limit", async () => {
  const { service } = serviceOf(async () => ({}));
  const ids: string[] = [];
  for (const name of ["/a", "/b", "/a"]) {
    ids.push(await submitOne(service, recipeOf({ argv: [name] })));
    await endOf(service, ids.at(-1) as string);
  }
  const listed = async (filter?: { recipe?: Digest; limit?: number }) =>
    (await service.list(filter)).attempts.map(({ id }) => id);
  assert.deepEqual(await listed(), ids.toReversed());
  const recipe = (await service.get(ids[0]))?.recipe;
  assert.deepEqual(await listed({ recipe }), [ids[2], ids[0]]);
  assert.deepEqual(await listed({ limit: 1 }), [ids[2]]);
});
