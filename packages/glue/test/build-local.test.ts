/* The whole way on this machine: sources and derivations into a local store, builders in a real sandbox, outputs back. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openLocalStore } from "@firn/backend-local";
import { byteStringOf, messageOf, textOf } from "@firn/base";
import { createBuildService } from "@firn/build";
import { lookup, readBlob } from "@firn/castore";
import { toHex } from "@firn/hash";
import { makeFixedOutputPath, parseAbsoluteStorePath, UNFILLED_OUTPUT } from "@firn/nix-compat";
import { createSandbox } from "@firn/sandbox";
import { calculateNar } from "@firn/store";
import { missing, need, onPath } from "../../../dev/need.ts";
import type { BuildEvent } from "../src/build-event.ts";
import { type BuildOptions, buildDerivations } from "../src/build-graph.ts";
import { closureOf } from "../src/closure.ts";
import type { PendingObject } from "../src/pending.ts";
import { writePending } from "../src/write-pending.ts";
import { derive, flatOutput, outputOf, type Wish, type Written } from "./derivations.ts";

/** A store with busybox in it, and a way to build there. */
async function openWorld() {
  const work = mkdtempSync(join(tmpdir(), "firn-glue-"));
  after(() => rmSync(work, { recursive: true, force: true }));
  mkdirSync(join(work, "tools", "bin"), { recursive: true });
  copyFileSync(onPath("busybox") as string, join(work, "tools", "bin", "busybox"));
  const store = await openLocalStore(join(work, "store"));
  const { sandbox } = await createSandbox({ kind: "auto", stateDir: join(work, "builds") });
  const buildService = createBuildService({
    ...store,
    sandbox,
    systems: ["x86_64-linux"],
    jobsMax: 2,
    now: Date.now,
    newId: randomUUID,
  });
  const lease = await store.leases.openLease("test");
  const { narSha256 } = await calculateNar(await store.importer.importTree(join(work, "tools"), { lease }), store);
  const path = makeFixedOutputPath({
    method: "nar",
    hash: { algorithm: "sha256", bytes: narSha256 },
    name: "tools",
  }).absolute();
  const tools: PendingObject = {
    kind: "source",
    path,
    hostPath: join(work, "tools"),
    method: "nar",
    sha256: toHex(narSha256),
  };
  const busybox = `${path}/bin/busybox`;
  const script = (name: string, text: string, wish: Wish = {}) =>
    derive(name, {
      ...wish,
      builder: busybox,
      args: ["sh", "-euc", text],
      sources: [path],
      env: { PATH: `${path}/bin`, busybox, ...wish.env },
    });
  const events: BuildEvent[] = [];
  const build = async (all: readonly Written[], target: Written, options: BuildOptions = {}) => {
    await writePending([tools, ...all.map(({ pending }) => pending)], store, { now: Date.now, lease });
    const onEvent = (event: BuildEvent) => void events.push(event);
    return buildDerivations(
      [{ drvPath: target.drvPath, outputs: "all" }],
      { ...store, buildService, now: Date.now },
      { lease, onEvent, ...options },
    );
  };
  const read = async (storePath: string, below = "") => {
    const info = await store.pathInfos.get(parseAbsoluteStorePath(storePath).hashPart);
    const node = info && (await lookup(store, info.node, below));
    return node?.kind === "file" ? byteStringOf(await readBlob(store.blobs, node.digest, 10_000)) : undefined;
  };
  const close = async () => {
    await lease.release();
    await store.close();
  };
  return { store, script, build, read, events, tools, [Symbol.asyncDispose]: close };
}

/** A sandbox that works here, found out by opening one. */
async function needSandbox(): Promise<{ skip?: string }> {
  const stateDir = mkdtempSync(join(tmpdir(), "firn-glue-"));
  after(() => rmSync(stateDir, { recursive: true, force: true }));
  const failure = await createSandbox({ kind: "auto", stateDir }).then(() => undefined, messageOf);
  return failure === undefined ? {} : missing(failure);
}

const sandboxed = { ...(await needSandbox()), ...need("busybox") };

test(
  "three derivations, one of fixed contents and one of two outputs, are built from a local store",
  sandboxed,
  async () => {
    await using world = await openWorld();
    const { script } = world;
    const greeting = script("greeting", "printf 'Hello, snow!' > $out; echo fetched", {
      outputs: { out: flatOutput("Hello, snow!") },
    });
    const two = script(
      "words",
      '$busybox mkdir -p $out/share $doc; $busybox cat $greeting > $out/share/words; echo "see $out" > $doc/readme; $busybox ln -s $out $doc/link',
      {
        outputs: { out: UNFILLED_OUTPUT, doc: UNFILLED_OUTPUT },
        inputs: [greeting],
        env: { greeting: outputOf(greeting) },
      },
    );
    const hello = script(
      "hello",
      '$busybox cat $words/share/words $bigPath > $out; printf "%s %s" "$PWD" "$($busybox ls -A $NIX_STORE | $busybox wc -l)" >> $out; $busybox chmod +x $out',
      {
        inputs: [two],
        env: { words: outputOf(two), passAsFile: "big", big: " caf\xc3\xa9 " },
      },
    );
    const built = await world.build([greeting, two, hello], hello);
    assert.equal(built.get(hello.drvPath)?.get("out"), outputOf(hello));
    // In the store it sees: busybox, both outputs of words, the greeting is not among their references; and its own output.
    assert.equal(textOf((await world.read(outputOf(hello))) ?? ""), "Hello, snow! café /build 4");
    assert.equal(await world.read(outputOf(two, "doc"), "readme"), `see ${outputOf(two)}\n`);
    const doc = await world.store.pathInfos.get(parseAbsoluteStorePath(outputOf(two, "doc")).hashPart);
    assert.deepEqual(
      doc?.references.map((path) => path.absolute()),
      [outputOf(two)],
    );
    const logged = world.events.flatMap((event) => (event.type === "log" ? [`${event.name}: ${event.line}`] : []));
    assert.deepEqual(logged, ["greeting: fetched"]);
    const closure = await closureOf(world.store.pathInfos, [outputOf(two, "doc")]);
    assert.deepEqual([...closure.keys()].sort(), [outputOf(two), outputOf(two, "doc")].sort());
    world.events.length = 0;
    await world.build([greeting, two, hello], hello);
    assert.deepEqual(world.events, []);
  },
);

test("bad builders fail in words, and leave nothing registered", sandboxed, async () => {
  await using world = await openWorld();
  const { script } = world;
  const cases: readonly (readonly [Written, object])[] = [
    [
      script("exits", "echo about to fail; exit 7"),
      { code: "build-failed", message: /-exits\.drv' failed with exit code 7;\nlast 1 log lines:\n> about to fail$/ },
    ],
    [
      script("nothing", "true"),
      { code: "build-failed", message: /failed to produce output path '\/nix\/store\/.*-nothing'/ },
    ],
    [script("killed", "kill -9 $$"), { code: "build-failed", message: /failed due to signal SIGKILL/ }],
    [script("special", "$busybox mkfifo $out"), { code: "build-failed", message: /cannot be stored/ }],
    [script("other", "printf other > $out", { outputs: { out: flatOutput("wanted") } }), { code: "hash-mismatch" }],
    [
      script("executable", "printf wanted > $out; $busybox chmod +x $out", { outputs: { out: flatOutput("wanted") } }),
      { code: "build-failed", message: /non-executable/ },
    ],
  ];
  for (const [written, expected] of cases) {
    await assert.rejects(world.build([written], written), expected);
    assert.equal(await world.store.pathInfos.get(parseAbsoluteStorePath(outputOf(written)).hashPart), undefined);
  }
});

test("a build that is cancelled is over when the call returns, and can be done again", sandboxed, async () => {
  await using world = await openWorld();
  const waits = world.script("waits", 'if [ -n "$wait" ]; then echo begun; while :; do :; done; fi; echo done > $out', {
    env: { wait: "1" },
  });
  const stop = new AbortController();
  const reason = new Error("interrupted");
  const stopped = world.build([waits], waits, {
    signal: stop.signal,
    onEvent: (event) => event.type === "log" && stop.abort(reason),
  });
  await assert.rejects(stopped, (thrown) => thrown === reason);
  assert.equal(await world.store.pathInfos.get(parseAbsoluteStorePath(outputOf(waits)).hashPart), undefined);
  const quick = world.script("waits", "echo done > $out");
  await world.build([quick], quick);
  assert.equal(await world.read(outputOf(quick)), "done\n");
});
