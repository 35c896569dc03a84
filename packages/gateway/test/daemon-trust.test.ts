/*
What a client that nobody trusts cannot do, and what no client can: a test for each class of holes that daemons of Nix had. Requests are made by hand, as a
client would that means harm.
*/

import assert from "node:assert/strict";
import { once } from "node:events";
import { statSync } from "node:fs";
import { connect } from "node:net";
import { describe, test } from "node:test";
import type { DaemonConnection } from "@firn/backend-nix-daemon";
import { bytesOf, byteStringOf, concatBytes } from "@firn/base";
import {
  type BasicDerivation,
  derivationPath,
  fixedOutput,
  generateSecretKey,
  keyedPathInfo,
  makeFixedOutputPath,
  parseStorePath,
  type StorePath,
  WireWriter,
  type WorkerOptions,
  type WorkerPathInfo,
  type WorkerRequest,
} from "@firn/nix-compat";
import { hashBytes } from "@firn/hash";
import { calculateNar, type PathInfo, renderNar, signPathInfo } from "@firn/store";
import { fileNode, pathOf, register } from "../../store/test/small-store.ts";
import { type DaemonPair, daemonPair, memoryStores } from "./daemon-pair.ts";

const STORE_DIR = "/nix/store";

async function withPair(
  body: (pair: DaemonPair) => Promise<void>,
  more: Parameters<typeof daemonPair>[0] = {},
): Promise<void> {
  const pair = await daemonPair(more);
  try {
    await body(pair);
  } finally {
    await pair.close();
  }
}

/** A path of a store in memory as a client would send it, with changes. */
async function sent(info: PathInfo, stores = memoryStores()) {
  const { path, deriver, narSha256, narSize, references, signatures, contentAddress } = info;
  const said: WorkerPathInfo = {
    deriver,
    narSha256,
    narSize,
    references,
    signatures,
    contentAddress,
    registeredAt: 0,
    ultimate: true,
  };
  const nar = concatBytes(await Array.fromAsync(renderNar(info.node, stores)));
  return { path, said, nar };
}

async function* streamOf(bytes: Uint8Array) {
  yield bytes;
}

const WAYS = ["addToStoreNar", "addMultipleToStore"] as const;
type Way = (typeof WAYS)[number];

/** Sends a path by one of the two operations for it, saying that signatures need not be looked at. */
async function send(
  connection: DaemonConnection,
  way: Way,
  { path, said, nar }: Awaited<ReturnType<typeof sent>>,
  repair = false,
): Promise<void> {
  const flags = { repair, dontCheckSigs: true };
  if (way === "addToStoreNar") {
    await connection.call(way, { path, info: said, ...flags }, { body: streamOf(nar) });
    return;
  }
  const to = new WireWriter().integer(1);
  keyedPathInfo.write(to, { path, info: said }, connection.session);
  await connection.call(way, flags, { body: streamOf(concatBytes([to.take(), nar])) });
}

const refusedWith = (text: RegExp) => (thrown: Error & { code?: string }) => {
  assert.equal(thrown.code, "refused", String(thrown));
  assert.match(thrown.message, text);
  return true;
};

describe("paths from clients nobody trusts", () => {
  for (const way of WAYS) {
    test(`need a signature, whatever ${way} says about it`, async () => {
      const key = await generateSecretKey("trusted-1");
      const stores = memoryStores();
      const plain = await register(stores, "a", await fileNode(stores, "contents"));
      const signed = await signPathInfo(plain, [key], ["nix"]);
      const stranger = await signPathInfo(plain, [await generateSecretKey("trusted-1")], ["nix"]);
      await withPair(
        async ({ remote, dial }) => {
          const connection = await dial({ trusted: false });
          const cases: readonly (readonly [string, PathInfo])[] = [
            ["no signature", plain],
            ["a signature by another key of the same name", stranger],
            ["another path", { ...signed, path: pathOf("b") }],
            ["other references", { ...signed, references: [pathOf("a")] }],
            ["no size", { ...signed, narSize: 0 }],
          ];
          for (const [what, info] of cases) {
            const trying = send(connection, way, await sent(info, stores));
            await assert.rejects(trying, refusedWith(/lacks a signature by a trusted key/), what);
            assert.equal(await remote.pathInfos.get(info.path.hashPart), undefined, what);
          }
          await send(connection, way, await sent(signed, stores));
          assert.ok(await remote.pathInfos.get(plain.path.hashPart));
        },
        { keys: [key.publicKey] },
      );
    });

    test(`must have the contents they were signed for (${way}), from trusted ones too`, async () => {
      const stores = memoryStores();
      const info = await register(stores, "a", await fileNode(stores, "contents"));
      const other = await sent({ ...info, node: await fileNode(stores, "Contents") }, stores);
      await withPair(async ({ remote, dial }) => {
        const connection = await dial();
        await assert.rejects(send(connection, way, other), refusedWith(/was promised/));
        assert.equal(await remote.pathInfos.get(info.path.hashPart), undefined);
        assert.equal(await connection.call("isValidPath", { path: info.path }), false); // it goes on
      });
    });

    test(`need none when they follow from their contents, and then must (${way})`, async () => {
      const stores = memoryStores();
      const node = await fileNode(stores, "contents");
      const nar = await calculateNar(node, stores);
      const hash = { algorithm: "sha256", bytes: nar.narSha256 } as const;
      const contentAddress = { method: "nar", hash } as const;
      const path = makeFixedOutputPath({ ...contentAddress, name: "x" }, STORE_DIR);
      const info: PathInfo = { path, node, ...nar, references: [], contentAddress, signatures: [], registeredAt: 0 };
      await withPair(async ({ remote, dial }) => {
        const connection = await dial({ trusted: false });
        const elsewhere = await sent({ ...info, path: pathOf("a") }, stores);
        await assert.rejects(send(connection, way, elsewhere), refusedWith(/lacks a signature/));
        const others = await fileNode(stores, "other contents");
        const lying = await sent({ ...info, node: others, ...(await calculateNar(others, stores)) }, stores);
        await assert.rejects(send(connection, way, lying), refusedWith(/content address/));
        await send(connection, way, await sent(info, stores));
        assert.equal((await connection.call("queryPathInfo", { path }))?.ultimate, false);
        assert.ok(await remote.pathInfos.get(path.hashPart));
      });
    });

    test(`never replace what is registered, whoever says repair (${way})`, async () => {
      const stores = memoryStores();
      const info = await register(stores, "a", await fileNode(stores, "good"));
      const bad = { ...info, node: await fileNode(stores, "evil") };
      await withPair(async ({ remote, dial }) => {
        for (const trusted of [true, false]) {
          const connection = await dial({ trusted });
          if (trusted) await send(connection, way, await sent(info, stores));
          const evil = await sent({ ...bad, ...(await calculateNar(bad.node, stores)) }, stores);
          await send(connection, way, evil, true).catch(refusedWith(/signature/));
          const kept = await remote.pathInfos.get(info.path.hashPart);
          assert.deepEqual(kept?.narSha256, info.narSha256);
          const [nar] = [concatBytes(await Array.fromAsync(renderNar((kept as PathInfo).node, remote)))];
          assert.ok(byteStringOf(nar).includes("good"));
        }
      });
    });
  }

  test("refer only to what is there", async () => {
    const stores = memoryStores();
    await register(stores, "b", await fileNode(stores, "b"));
    const info = await register(stores, "a", await fileNode(stores, "a"), "b");
    await withPair(async ({ dial }) => {
      const connection = await dial();
      await assert.rejects(send(connection, "addToStoreNar", await sent(info, stores)), refusedWith(/not registered/));
    });
  });
});

const basic = (more: Partial<BasicDerivation> = {}): BasicDerivation => ({
  outputs: new Map([["out", { kind: "input-addressed", path: pathOf("a").absolute(), hashAlgorithm: "", hash: "" }]]),
  inputSrcs: [],
  system: "x86_64-linux",
  builder: "/bin/sh",
  args: [],
  env: new Map(),
  ...more,
});

describe("what clients nobody trusts ask for", () => {
  const drv = parseStorePath(`${"d".repeat(32)}-x.drv`);
  const host = {
    roots: {
      addIndirect: async () => {},
      addPermanent: async () => {},
      list: async () => [{ link: "/srv/secret/result", path: pathOf("a") }],
    },
    verify: async () => false,
    build: async () => new Map(),
    collectGarbage: async () => ({ deadPaths: [], freedBytes: 0 }),
  };

  test("is not repaired, neither by building nor by verifying", async () => {
    await withPair(async ({ dial }) => {
      const connection = await dial({ trusted: false });
      const request = { targets: [{ path: drv, outputs: "all" as const }], mode: "repair" } as const;
      await assert.rejects(connection.call("buildPaths", request), refusedWith(/repairing is not allowed/));
      await assert.rejects(connection.call("buildPathsWithResults", request), refusedWith(/repairing is not allowed/));
      const derivation = { path: drv, derivation: basic(), mode: "repair" } as const;
      await assert.rejects(connection.call("buildDerivation", derivation), refusedWith(/repairing is not allowed/));
      const verify = { checkContents: false, repair: true };
      await assert.rejects(connection.call("verifyStore", verify), refusedWith(/not privileged to repair/));
      assert.equal(await (await dial()).call("verifyStore", verify), false);
    }, host);
  });

  test("is built under the path that follows from it, and not at all where that proves nothing", async () => {
    const asked: string[] = [];
    const build = async (targets: readonly { readonly drvPath: string }[]) => {
      for (const { drvPath } of targets) asked.push(drvPath);
      return new Map();
    };
    await withPair(
      async ({ dial }) => {
        const connection = await dial({ trusted: false });
        const request = { path: drv, mode: "normal" } as const;
        const inputAddressed = connection.call("buildDerivation", { ...request, derivation: basic() });
        await assert.rejects(inputAddressed, refusedWith(/not privileged to build input-addressed/));
        assert.deepEqual(asked, []);
        const hash = { algorithm: "sha256", bytes: new Uint8Array(32).fill(1) } as const;
        const path = makeFixedOutputPath({ method: "flat", hash, name: "x" }, STORE_DIR).absolute();
        const outputs = new Map([["out", { ...fixedOutput("flat", hash), path }]]);
        const derivation = basic({ outputs });
        await connection.call("buildDerivation", { ...request, derivation });
        const whole = { ...derivation, name: "x", inputDrvs: new Map() };
        assert.deepEqual(asked, [derivationPath(whole, STORE_DIR).absolute()]);
        await (await dial()).call("buildDerivation", { ...request, derivation: basic() });
        assert.equal(asked[1], drv.absolute());
      },
      { build },
    );
  });

  test("is no permanent root, no log and no realisation", async () => {
    const logs: string[] = [];
    const kept = {
      get: async () => undefined,
      put: async (path: StorePath, log: AsyncIterable<Uint8Array>) => {
        logs.push(`${path}: ${byteStringOf(concatBytes(await Array.fromAsync(log)))}`);
      },
    };
    await withPair(
      async ({ remote, dial }) => {
        const info = await register(remote, "a", await fileNode(remote, "a"));
        const connection = await dial({ trusted: false });
        const root = { path: info.path, root: "/etc/cron.d/mine" };
        await assert.rejects(connection.call("addPermRoot", root), refusedWith(/not privileged to create perm roots/));
        const id = { drv, output: "out" };
        const realisation = { id, path: info.path, signatures: [] };
        await assert.rejects(connection.call("registerDrvOutput", { realisation }), refusedWith(/not privileged/));
        assert.equal(await connection.call("queryRealisation", { id }), undefined);
        const log = connection.call("addBuildLog", { drvName: `${drv}` }, { body: streamOf(bytesOf("x")) });
        await assert.rejects(log, refusedWith(/not privileged to add logs/));
        const unsaid = (await dial()).call("addBuildLog", { drvName: "../x.drv" }, { body: streamOf(bytesOf("x")) });
        await assert.rejects(unsaid, refusedWith(/not a store path/));
        assert.deepEqual(logs, []);
        await (await dial()).call("addBuildLog", { drvName: `${drv}` }, { body: streamOf(bytesOf("said")) });
        assert.deepEqual(logs, [`${drv}: said`]);
        await (await dial()).call("registerDrvOutput", { realisation });
        assert.deepEqual((await connection.call("queryRealisation", { id }))?.path, info.path);
      },
      { ...host, logs: kept },
    );
  });

  test("does not say where others keep their roots", async () => {
    await withPair(async ({ dial }) => {
      const seen = async (trusted: boolean) => (await dial({ trusted })).call("findRoots", {});
      assert.deepEqual(await seen(false), [{ link: "{censored}", path: pathOf("a") }]);
      assert.deepEqual(await seen(true), [{ link: "/srv/secret/result", path: pathOf("a") }]);
    }, host);
  });

  test("is no setting that is restricted, substituters among them, and that is said", async () => {
    const options: WorkerOptions = {
      keepFailed: false,
      keepGoing: true,
      tryFallback: false,
      verbosity: 3,
      maxBuildJobs: 4n,
      maxSilentSeconds: 7n,
      useBuildHook: undefined,
      buildVerbosity: 0,
      logType: undefined,
      printBuildTrace: undefined,
      buildCores: 2n,
      useSubstitutes: true,
      overrides: ["substituters", "sandbox", "post-build-hook", "trusted-users"]
        .map((name) => ({ name, value: "false" }))
        .concat({ name: "timeout", value: "11" }),
    };
    const settings: object[] = [];
    const build = async (_: unknown, { keepGoing, jobsMax, cores, timeoutMs, silenceMs }: Record<string, unknown>) => {
      settings.push({ keepGoing, jobsMax, cores, timeoutMs, silenceMs });
      return new Map();
    };
    await withPair(
      async ({ remote, dial }) => {
        await register(remote, "d", await fileNode(remote, "a"));
        const connection = await dial({ trusted: false });
        const said: string[] = [];
        await connection.call("setOptions", options, {
          onFrame: (frame) => frame.type === "message" && said.push(frame.text),
        });
        assert.deepEqual(
          said.map((text) => /client-specified setting '(.*)', because it is a restricted setting/.exec(text)?.[1]),
          ["substituters", "sandbox", "post-build-hook", "trusted-users"],
        );
        const targets = [{ path: drv, outputs: "all" as const }];
        await connection.call("buildPaths", { targets, mode: "normal" });
        const expected = { keepGoing: true, jobsMax: 4, cores: 2, timeoutMs: 11_000, silenceMs: 7000 };
        assert.deepEqual(settings, [expected]);
      },
      { build: build as never },
    );
  });

  test("deletes nothing that is needed", async () => {
    await withPair(async ({ dial }) => {
      const request: WorkerRequest<"collectGarbage"> = {
        action: "delete-specific",
        collected: { paths: [pathOf("a")], referrers: false, whole: false },
        ignoreLiveness: true,
        maxFreedBytes: 0n,
        obsolete1: undefined,
        obsolete2: undefined,
        obsolete3: undefined,
      };
      for (const trusted of [true, false]) {
        const connection = await dial({ trusted });
        await assert.rejects(connection.call("collectGarbage", request), refusedWith(/not allowed to ignore liveness/));
      }
    }, host);
  });
});

describe("bytes that mean harm", () => {
  const tokens = (...items: readonly (string | number | bigint)[]) => {
    const to = new WireWriter();
    for (const item of items) {
      if (typeof item === "string") to.text(item);
      else to.integer(item);
    }
    return to.take();
  };
  const file = (contents: string) => tokens("(", "type", "regular", "contents", contents, ")");
  const entry = (name: string, node: Uint8Array) =>
    concatBytes([tokens("entry", "(", "name", name, "node"), node, tokens(")")]);
  const directory = (...entries: readonly Uint8Array[]) =>
    concatBytes([tokens("(", "type", "directory"), ...entries, tokens(")")]);
  const nar = (node: Uint8Array) => concatBytes([tokens("nix-archive-1"), node]);
  let deep = file("x");
  for (let depth = 0; depth < 100; depth++) deep = directory(entry("d", deep));

  const nars: readonly (readonly [string, Uint8Array])[] = [
    ["a tree that is nested deeper than any", nar(deep)],
    ["names that are not sorted", nar(directory(entry("b", file("")), entry("a", file(""))))],
    ["a name that comes twice", nar(directory(entry("a", file("")), entry("a", file(""))))],
    ["a name that leads elsewhere", nar(directory(entry("..", file(""))))],
    ["a name with a slash", nar(directory(entry("a/b", file(""))))],
    [
      "a name that goes through a link",
      nar(
        directory(
          entry("a", tokens("(", "type", "symlink", "target", "/etc", ")")),
          entry("a", directory(entry("b", file("")))),
        ),
      ),
    ],
    ["a target with a NUL", nar(tokens("(", "type", "symlink", "target", "a\0b", ")"))],
    ["an empty target", nar(tokens("(", "type", "symlink", "target", "", ")"))],
    [
      "a length near 2^64",
      concatBytes([tokens("nix-archive-1", "(", "type", "regular", "contents"), tokens(2n ** 64n - 8n)]),
    ],
  ];
  /** Sends a NAR by every operation that takes one, in old versions and new ones; yields what became of each. */
  async function everyWayIn({ dial }: DaemonPair, bytes: Uint8Array) {
    const added = { name: "x", method: "nar", algorithm: "sha256", references: [], repair: false } as const;
    const said = { narSha256: hashBytes("sha256", bytes), narSize: bytes.length, references: [], signatures: [] };
    const info = { ...said, deriver: undefined, contentAddress: undefined, registeredAt: 0, ultimate: false };
    const sent = { path: pathOf("a"), said: info, nar: bytes };
    const sendings: (() => Promise<unknown>)[] = [];
    for (const version of [18, 24, 34, 39]) {
      const add = async () =>
        (await dial({ trusted: false, version })).call("addToStore", added, { body: streamOf(bytes) });
      sendings.push(add);
      for (const way of version < 32 ? (["addToStoreNar"] as const) : WAYS)
        sendings.push(async () => send(await dial({ version }), way, sent));
    }
    return await Promise.allSettled(sendings.map((sending) => sending()));
  }

  test("a NAR that means none comes in by every way", async () => {
    await withPair(async (pair) => {
      const ends = await everyWayIn(pair, nar(directory(entry("a", file("x")))));
      assert.deepEqual(
        ends.map(({ status }) => status),
        ends.map(() => "fulfilled"),
      );
    });
  });

  for (const [what, bytes] of nars) {
    test(`a NAR with ${what} is refused, by every way in`, async () => {
      await withPair(async (pair) => {
        for (const end of await everyWayIn(pair, bytes)) {
          assert.ok(end.status === "rejected");
          assert.match(end.reason.code, /refused|unreachable|protocol/);
        }
        assert.deepEqual(await Array.fromAsync(pair.remote.pathInfos.list()), []);
      });
    });
  }

  /** What the daemon answers to these bytes after a handshake; it must end the connection. */
  async function answerTo(pair: DaemonPair, bytes: Uint8Array): Promise<string> {
    const socket = connect(pair.sockets.untrusted);
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", () => {});
    socket.write(concatBytes([tokens(0x6e697863, 0x122, 0, 0), bytes]));
    await once(socket, "end");
    socket.destroy();
    return Buffer.concat(chunks).toString("latin1");
  }

  const requests: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ["an operation that is none", tokens(99), /invalid operation 99/],
    ["an operation that was removed", tokens(27), /invalid operation 27/],
    ["a path longer than any", tokens(1, 2n ** 63n), /limit is 4096/],
    ["more paths than there can be", tokens(31, 2n ** 60n), /limit is/],
    ["a path out of the store", tokens(1, "/etc/shadow"), /not in the store directory/],
    ["a text longer than any", tokens(8, "x", 2n ** 62n), /limit is/],
  ];
  for (const [what, bytes, message] of requests) {
    test(`${what} is answered with an error and the end of the connection`, async () => {
      await withPair(async (pair) => {
        assert.match(await answerTo(pair, bytes), message);
        const connection = await pair.dial();
        assert.equal(await connection.call("isValidPath", { path: pathOf("a") }), false);
      });
    });
  }

  test("a client that speaks something else is left", async () => {
    await withPair(async (pair) => {
      const socket = connect(pair.sockets.untrusted);
      socket.on("error", () => {});
      socket.resume();
      socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
      await once(socket, "close");
      while (pair.server.clients > 0) await new Promise(setImmediate);
    });
  });
});

describe("the sockets", () => {
  test("are open to those they are for", async () => {
    await withPair(async ({ sockets }) => {
      assert.equal(statSync(sockets.trusted).mode & 0o777, 0o660);
      assert.equal(statSync(sockets.untrusted).mode & 0o777, 0o666);
    });
  });

  test("are taken from nobody who listens, and from the dead", async () => {
    await withPair(async ({ sockets, server }) => {
      await assert.rejects(server.listen({ trusted: sockets.trusted }), /another daemon listens/);
      await assert.rejects(server.listen({ trusted: "/etc/passwd" }), /no socket/);
      await assert.rejects(server.listen({ trusted: `/tmp/${"x".repeat(200)}` }), /at most 107 bytes/);
      await assert.rejects(server.listen({ trusted: "/proc/nowhere/socket" }), /no socket can be made in/);
    });
  });

  test("are closed when the daemon stops, once what is under way has ended", async () => {
    const pair = await daemonPair({
      verify: async ({ signal }) => {
        await new Promise((resolve) => setTimeout(resolve, 50));
        signal.throwIfAborted();
        return false;
      },
    });
    const [idle, busy] = [await pair.dial(), await pair.dial()];
    const verified = busy.call("verifyStore", { checkContents: false, repair: false });
    await new Promise((resolve) => setTimeout(resolve, 10));
    const closed = pair.server.close(5000);
    assert.equal(await verified, false);
    await closed;
    await assert.rejects(idle.call("isValidPath", { path: pathOf("a") }));
    await pair.close();
  });
});
