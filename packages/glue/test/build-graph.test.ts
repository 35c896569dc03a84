import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { untilAborted } from "@firn/base";
import { toHex } from "@firn/hash";
import { floatingOutput, parseAbsoluteStorePath, printContentAddress, UNFILLED_OUTPUT } from "@firn/nix-compat";
import type { BuildEvent } from "../src/build-event.ts";
import { type BuildOptions, buildDerivations } from "../src/build-graph.ts";
import { derivationReader, type ReadDerivation } from "../src/build-plan.ts";
import { GlueError } from "../src/error.ts";
import { writePending } from "../src/write-pending.ts";
import {
  type Builder,
  derive,
  fakeService,
  fileOf,
  flatOutput,
  memoryStores,
  outputOf,
  type Written,
} from "./derivations.ts";

/** Derivations in a store, and builders by derivation name; those not named make their outputs with nothing in them but their path. */
async function worldOf(written: readonly Written[], builders: Readonly<Record<string, Builder>> = {}) {
  const stores = memoryStores();
  await writePending(
    written.map(({ pending }) => pending),
    stores,
    { now: stores.now },
  );
  const { service, submitted, refused, state } = fakeService(
    stores.blobs,
    (label) => builders[label] ?? (async () => ({})),
  );
  const events: BuildEvent[] = [];
  const parts = { ...stores, buildService: service };
  const build = (targets: readonly Written[], options: BuildOptions = {}) =>
    buildDerivations(
      targets.map(({ drvPath }) => ({ drvPath, outputs: "all" as const })),
      parts,
      { onEvent: (event) => events.push(event), ...options },
    );
  const info = (path: string) => stores.pathInfos.get(parseAbsoluteStorePath(path).hashPart);
  return { stores, parts, submitted, refused, state, events, build, info };
}

const fails =
  (code: number): Builder =>
  async (_, log) => {
    for (let line = 1; line <= 30; line++) log(`line ${line}\n`);
    log("last words");
    return { end: { reason: "exit-code", code } };
  };

test("a chain is built from its end, and registered with references, deriver and NAR hash", async () => {
  const base = derive("base", { outputs: { out: UNFILLED_OUTPUT, dev: UNFILLED_OUTPUT } });
  const top = derive("top", { inputs: [base] });
  const made = `${outputOf(top)} uses ${outputOf(base)}`;
  const { build, info, submitted, events } = await worldOf([base, top], {
    top: async () => ({ [outputOf(top).slice(1)]: made }),
  });
  const built = await build([top]);
  assert.deepEqual([...built], [[top.drvPath, new Map([["out", outputOf(top)]])]]);
  assert.deepEqual(
    submitted.map(({ label }) => label),
    ["base", "top"],
  );
  const registered = await info(outputOf(top));
  assert.deepEqual(
    registered?.references.map((path) => path.absolute()).sort(),
    [outputOf(base), outputOf(top)].sort(),
  );
  assert.equal(registered?.deriver?.absolute(), top.drvPath);
  assert.equal(registered?.contentAddress, undefined);
  assert.equal(registered?.registeredAt, 1_700_000_000);
  assert.equal(registered?.narSize, 112 + Math.ceil(made.length / 8) * 8);
  assert.equal(toHex(registered?.narSha256 ?? new Uint8Array(0)).length, 64);
  assert.ok(await info(outputOf(base, "dev")));
  assert.deepEqual(
    events.map(({ type }) => type),
    ["planned", "started", "finished", "started", "finished"],
  );
  assert.deepEqual((events.at(-1) as { counts: unknown }).counts, { planned: 2, running: 0, done: 2, failed: 0 });
});

test("what is registered already is neither built nor walked below", async () => {
  const base = derive("base");
  const top = derive("top", { inputs: [base] });
  const world = await worldOf([base, top]);
  await world.build([top]);
  const again = await world.build([top]);
  assert.equal(again.get(top.drvPath)?.get("out"), outputOf(top));
  assert.equal(world.submitted.length, 2);
  assert.equal(world.events.filter(({ type }) => type === "planned").length, 1);
});

test("a derivation that many need is built once, and no more than jobsMax run together", async () => {
  const base = derive("base");
  const middle = Array.from({ length: 6 }, (_, index) => derive(`middle-${index}`, { inputs: [base] }));
  const top = derive("top", { inputs: middle });
  const slow: Builder = async () => {
    for (let i = 0; i < 5; i++) await turn();
    return {};
  };
  const world = await worldOf(
    [base, ...middle, top],
    Object.fromEntries(middle.map(({ derivation }) => [derivation.name, slow])),
  );
  await world.build([top], { jobsMax: 3 });
  assert.equal(world.submitted.filter(({ label }) => label === "base").length, 1);
  assert.equal(world.submitted.length, 8);
  assert.equal(world.state.runningMax, 3);
  assert.equal(world.submitted.at(-1)?.label, "top");
});

test("a builder gets the whole closure of its inputs and nothing else", async () => {
  const deep = derive("deep");
  const base = derive("base", { inputs: [deep] });
  const buildOnly = derive("build-only");
  const middle = derive("middle", { inputs: [base, buildOnly] });
  const top = derive("top", { inputs: [middle] });
  const refersTo =
    (own: Written, other: Written): Builder =>
    async () => ({ [outputOf(own).slice(1)]: outputOf(other) });
  const world = await worldOf([deep, base, buildOnly, middle, top], {
    base: refersTo(base, deep),
    middle: refersTo(middle, base),
  });
  await world.build([top]);
  const inputs = world.submitted.at(-1)?.recipe.inputs.map(({ path }) => `/${path}`);
  assert.deepEqual(inputs, [deep, base, middle].map((written) => outputOf(written)).sort());
});

test("a failure names derivation, reason and the end of the log, and takes its dependents along", async () => {
  const bad = derive("bad");
  const good = derive("good");
  const middle = derive("middle", { inputs: [bad] });
  const top = derive("top", { inputs: [middle, good] });
  const world = await worldOf([bad, good, middle, top], { bad: fails(3) });
  await assert.rejects(world.build([top], { keepGoing: true }), (error) => {
    assert.ok(error instanceof GlueError);
    assert.equal(error.code, "build-failed");
    assert.match(
      error.message,
      new RegExp(`^builder for '${bad.drvPath}' failed with exit code 3;\nlast 25 log lines:\n> line 7\n`),
    );
    assert.match(error.message, /> line 30\n> last words$/);
    assert.deepEqual([error.context.derivation, error.context.reason], ["bad", "exit-code"]);
    return true;
  });
  const failed = world.events.flatMap((event) => (event.type === "failed" ? [[event.name, event.because]] : []));
  assert.deepEqual(failed, [
    ["bad", undefined],
    ["middle", bad.drvPath],
    ["top", bad.drvPath],
  ]);
  assert.ok(await world.info(outputOf(good)), "what does not need the failed one was built");
  assert.equal(await world.info(outputOf(bad)), undefined);
  const lines = world.events.filter((event) => event.type === "log" && event.name === "bad");
  assert.equal(lines.length, 31);
});

test("without keepGoing the first failure withdraws what runs and starts nothing more", async () => {
  const bad = derive("bad");
  const endless = derive("endless");
  const later = derive("later");
  const world = await worldOf([bad, endless, later], { bad: fails(1), endless: () => new Promise(() => {}) });
  await assert.rejects(world.build([endless, bad, later], { jobsMax: 2 }), { code: "build-failed" });
  assert.deepEqual(
    world.submitted.map(({ label }) => label),
    ["endless", "bad"],
  );
  assert.equal(world.state.running, 0);
});

test("several failures are one error that names all", async () => {
  const one = derive("one");
  const two = derive("two");
  const world = await worldOf([one, two], { one: fails(1), two: fails(2) });
  await assert.rejects(world.build([one, two], { keepGoing: true }), (error) => {
    assert.ok(error instanceof GlueError);
    assert.match(
      error.message,
      /^2 derivations failed:\n.*-one\.drv' failed with exit code 1(?:.|\n)*-two\.drv' failed with exit code 2/,
    );
    return true;
  });
});

test("cancelling throws the signal's reason after the attempts have ended", async () => {
  const endless = derive("endless");
  const stop = new AbortController();
  const reason = new Error("enough");
  const world = await worldOf([endless], { endless: () => new Promise(() => setImmediate(() => stop.abort(reason))) });
  await assert.rejects(world.build([endless], { signal: stop.signal }), (thrown) => thrown === reason);
  assert.equal(world.state.running, 0);
  assert.equal(await world.info(outputOf(endless)), undefined);
});

test("a fixed output with the right contents gets its content address and the network", async () => {
  const fetched = derive("fetched", { outputs: { out: flatOutput("payload") } });
  const world = await worldOf([fetched], { fetched: async () => ({ [outputOf(fetched).slice(1)]: "payload" }) });
  await world.build([fetched]);
  const info = await world.info(outputOf(fetched));
  assert.ok(info?.contentAddress);
  assert.equal(
    printContentAddress(info.contentAddress),
    "fixed:sha256:1r9mm7am5f7ra9ll59s8wxz6s2q33c6asmfg8xqwfdz7apnmk7r3",
  );
  assert.equal(world.submitted[0].recipe.constraints.network, true);
});

test("a wrong hash is told in both forms and nothing is registered", async () => {
  const fetched = derive("fetched", { outputs: { out: flatOutput("payload") } });
  const world = await worldOf([fetched], { fetched: async () => ({ [outputOf(fetched).slice(1)]: "other" }) });
  await assert.rejects(world.build([fetched]), (error) => {
    assert.ok(error instanceof GlueError);
    assert.equal(error.code, "hash-mismatch");
    const specified = "sha256-I59Z7VXnN8dxR89VrQwbAwttfudIp0JpUvm4UtWpNeU=";
    const got = "sha256-2SmKENGwc1g33EvYXaxkGw887yekfl1TpU8vP1svz/o=";
    assert.equal(
      error.message,
      `hash mismatch in fixed-output derivation '${fetched.drvPath}':\n  specified: ${specified}\n     got:    ${got}`,
    );
    assert.deepEqual([error.context.specified, error.context.got], [specified, got]);
    return true;
  });
  assert.deepEqual(world.refused, ["1 hash-mismatch"]);
  assert.equal(await world.info(outputOf(fetched)), undefined);
});

test("wrong hashes of which each is the other's right one are both told, and nobody waits for ever", async () => {
  const [one, other] = [
    derive("one", { outputs: { out: flatOutput("1") } }),
    derive("other", { outputs: { out: flatOutput("2") } }),
  ];
  const top = derive("top", { inputs: [one, other] });
  const together = Promise.withResolvers<void>();
  let running = 0;
  const making =
    (path: string, text: string): Builder =>
    async () => {
      if (++running === 2) together.resolve();
      await together.promise;
      return { [path.slice(1)]: text };
    };
  const world = await worldOf([one, other, top], {
    one: making(outputOf(one), "2"),
    other: making(outputOf(other), "1"),
  });
  await assert.rejects(world.build([top], { keepGoing: true, jobsMax: 2 }));
  assert.deepEqual([...world.refused].sort(), ["1 hash-mismatch", "2 hash-mismatch"]);
  for (const path of [one, other, top].map((written) => outputOf(written)))
    assert.equal(await world.info(path), undefined);
});

test("a flat output must be a plain file", async () => {
  const fetched = derive("fetched", { outputs: { out: flatOutput("payload") } });
  const world = await worldOf([fetched], {
    fetched: async () => ({ [outputOf(fetched).slice(1)]: await fileOf(world.stores.blobs, "payload", true) }),
  });
  await assert.rejects(world.build([fetched]), {
    code: "build-failed",
    message: /should be a non-executable regular file/,
  });
});

test("a fixed output that refers to an input is refused", async () => {
  const base = derive("base");
  const contents = `see ${outputOf(base)}`;
  const fetched = derive("fetched", { outputs: { out: flatOutput(contents) }, inputs: [base] });
  const world = await worldOf([base, fetched], { fetched: async () => ({ [outputOf(fetched).slice(1)]: contents }) });
  await assert.rejects(world.build([fetched]), { code: "build-failed", message: /must not reference store paths/ });
  assert.deepEqual(world.refused, ["2 check-failed"]);
  assert.equal(await world.info(outputOf(fetched)), undefined);
});

test("outputs in a ring of references are refused, all of them", async () => {
  const ring = derive("ring", { outputs: { out: UNFILLED_OUTPUT, dev: UNFILLED_OUTPUT, doc: UNFILLED_OUTPUT } });
  const world = await worldOf([ring], {
    ring: async () => ({
      [outputOf(ring).slice(1)]: outputOf(ring, "dev"),
      [outputOf(ring, "dev").slice(1)]: outputOf(ring),
    }),
  });
  await assert.rejects(world.build([ring]), {
    code: "build-failed",
    message: new RegExp(
      `^cycle detected in build of '${ring.drvPath}' in the references of output '.*' from output '.*'$`,
    ),
  });
  for (const name of ["out", "dev", "doc"]) assert.equal(await world.info(outputOf(ring, name)), undefined);
});

test("an output that is registered keeps its contents when the others are made again", async () => {
  const two = derive("two", { outputs: { out: UNFILLED_OUTPUT, doc: UNFILLED_OUTPUT } });
  const world = await worldOf([two], { two: async () => ({ [outputOf(two).slice(1)]: "second" }) });
  const node = await fileOf(world.stores.blobs, "first");
  const path = parseAbsoluteStorePath(outputOf(two));
  await world.stores.pathInfos.put([
    { path, node, narSha256: new Uint8Array(32), narSize: 120, references: [], signatures: [], registeredAt: 1 },
  ]);
  await world.build([two]);
  assert.deepEqual((await world.info(outputOf(two)))?.node, node);
  assert.ok(await world.info(outputOf(two, "doc")));
});

test("a builder gets the graphs it asks for, those of inputs that were just built included", async () => {
  const base = derive("base");
  const top = derive("top", { inputs: [base], env: { exportReferencesGraph: `graph ${outputOf(base)}` } });
  const world = await worldOf([base, top]);
  await world.build([top]);
  assert.deepEqual(world.submitted[1].recipe.files, [
    { path: "build/graph", contents: `${outputOf(base)}\n\n1\n${outputOf(base)}\n` },
  ]);
});

test("what cannot be built is refused before anything is", async () => {
  const cases: readonly (readonly [Record<string, string>, RegExp])[] = [
    [{ __impureHostDeps: "/dev/kvm" }, /__impureHostDeps/],
    [{ __noChroot: "1" }, /__noChroot/],
    [{ __json: '{"__noChroot":true}' }, /__noChroot/],
  ];
  for (const [env, feature] of cases) {
    const base = derive("base");
    const odd = derive("odd", { env });
    const top = derive("top", { inputs: [base, odd] });
    const world = await worldOf([base, odd, top]);
    await assert.rejects(world.build([top]), { code: "unsupported", message: feature });
    assert.equal(world.submitted.length, 0);
  }
});

test("inputs, outputs and features that are not there are told by name", async () => {
  const base = derive("base");
  const top = derive("top", { inputs: [base] });
  const world = await worldOf([base]);
  await assert.rejects(world.build([top]), { code: "missing-input", message: /-top\.drv' is not in the store/ });
  const targets = [{ drvPath: base.drvPath, outputs: ["lib"] }];
  await assert.rejects(buildDerivations(targets, world.parts), {
    code: "invalid-derivation",
    message: /wanted outputs 'lib'/,
  });
  const big = derive("big", { env: { requiredSystemFeatures: "kvm  big-parallel" } });
  const other = await worldOf([big]);
  await assert.rejects(other.build([big]), { code: "unsupported", message: /no such feature here/ });
});

/** `user` needs the output of `inner`, whose .drv is what `maker` makes. */
function dynamicGraph() {
  const inner = derive("inner");
  const maker = derive("inner.drv", { outputs: { out: floatingOutput("text", "sha256") } });
  const dynamicInputs = new Map([[maker.drvPath, new Map([["out", { outputs: ["out"] }]])]]);
  const user = derive("user", { inputs: [maker], dynamicInputs });
  const { text } = inner.pending as { readonly text: string };
  const makes: Builder = async (recipe) => ({ [recipe.outputs[0]]: text });
  return { inner, maker, user, makes };
}

test("a derivation that another one makes is planned and built when it is there", async () => {
  const { inner, maker, user, makes } = dynamicGraph();
  const world = await worldOf([maker, user], { "inner.drv": makes });
  const built = await world.build([user]);
  assert.deepEqual(
    world.submitted.map(({ label }) => label),
    ["inner.drv", "inner", "user"],
  );
  const planned = world.events.flatMap((event) => (event.type === "planned" ? [event.derivations] : []));
  assert.deepEqual(
    planned.map((derivations) => derivations.map(({ drvPath }) => drvPath)),
    [[maker.drvPath, user.drvPath], [inner.drvPath]],
  );
  // What was built is the derivation with paths in place of placeholders; under its own name it is found again.
  const path = built.get(user.drvPath)?.get("out");
  assert.ok(path !== undefined && (await world.info(path)) !== undefined);
  world.submitted.length = 0;
  assert.deepEqual(await world.build([user]), built);
  const ref = `out!${maker.drvPath}`;
  const through = await buildDerivations([{ drvPath: ref, outputs: "all" }], world.parts);
  assert.deepEqual(through.get(ref), new Map([["out", outputOf(inner)]]));
  assert.deepEqual(world.submitted, []);
});

test("when it fails, who needs it fails because of it, and others go on", async () => {
  const { inner, maker, user, makes } = dynamicGraph();
  const other = derive("other");
  const world = await worldOf([maker, user, other], { "inner.drv": makes, inner: fails(3) });
  await assert.rejects(world.build([user, other], { keepGoing: true }), { code: "build-failed" });
  const failed = world.events.flatMap((event) => (event.type === "failed" ? [[event.name, event.because]] : []));
  assert.deepEqual(failed, [
    ["inner", undefined],
    ["user", inner.drvPath],
  ]);
  assert.ok(await world.info(outputOf(other)));
});

test("an output that is no derivation is an error of who needs it", async () => {
  const { maker, user } = dynamicGraph();
  const world = await worldOf([maker, user], {
    "inner.drv": async (recipe) => ({ [recipe.outputs[0]]: "no derivation" }),
  });
  await assert.rejects(world.build([user]), { code: "invalid-derivation" });
});

/** Targets one after another, each when what comes before it has happened. */
async function* inTurn(...steps: (Written | Promise<unknown>)[]) {
  for (const step of steps) {
    if (step instanceof Promise) await step;
    else yield [{ drvPath: step.drvPath, outputs: "all" as const }];
  }
}

test("targets that come later are planned with what was read before", async () => {
  const base = derive("base");
  const [first, second] = ["first", "second"].map((name) => derive(name, { inputs: [base] }));
  const world = await worldOf([base, first, second]);
  const read: string[] = [];
  const reader = derivationReader(world.stores.blobs, world.stores.pathInfos, "/nix/store");
  const readDerivation: ReadDerivation = async (drvPath, call) => {
    read.push(drvPath);
    return reader(drvPath, call);
  };
  await buildDerivations(inTurn(first, second, first), { ...world.parts, readDerivation });
  assert.deepEqual(
    read,
    [first, base, second].map(({ drvPath }) => drvPath),
  );
});

test("a target that comes when what it needs has failed, fails at once, and nothing runs for it", async () => {
  const bad = derive("bad");
  const top = derive("top", { inputs: [bad] });
  const world = await worldOf([bad, top], { bad: fails(3) });
  const failed = Promise.withResolvers<void>();
  const counts: unknown[] = [];
  const onEvent = (event: BuildEvent) => {
    if (event.type !== "failed") return;
    counts.push(event.counts);
    failed.resolve();
  };
  const building = buildDerivations(inTurn(bad, failed.promise, top), world.parts, { keepGoing: true, onEvent });
  await assert.rejects(building, { code: "build-failed" });
  assert.deepEqual(counts, [
    { planned: 1, running: 0, done: 0, failed: 1 },
    { planned: 2, running: 0, done: 0, failed: 2 },
  ]);
});

test("a failure is told when nothing is going on any more, planning included", async () => {
  const [bad, later] = [derive("bad"), derive("later")];
  const begun = Promise.withResolvers<void>();
  const failing: Builder = async (recipe, log, signal) => {
    await begun.promise;
    return fails(3)(recipe, log, signal);
  };
  const world = await worldOf([bad, later], { bad: failing });
  const reader = derivationReader(world.stores.blobs, world.stores.pathInfos, "/nix/store");
  let isOver = false;
  const readDerivation: ReadDerivation = async (drvPath, call) => {
    if (drvPath !== later.drvPath) return reader(drvPath, call);
    begun.resolve();
    await untilAborted(call.signal as AbortSignal);
    for (let i = 0; i < 20; i++) await turn();
    isOver = true;
    return later.derivation;
  };
  await assert.rejects(buildDerivations(inTurn(bad, later), { ...world.parts, readDerivation }), {
    code: "build-failed",
  });
  assert.equal(isOver, true);
  assert.equal(world.submitted.length, 1);
});
