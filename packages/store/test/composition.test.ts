/* Compositions: what a document and a URL may say, what is refused and in which words, and what is opened how often. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type BlobService,
  Composition,
  type CompositionOptions,
  defineServiceType,
  digestOf,
  EMPTY_DIGEST,
  MemoryBlobs,
  readServiceUrl,
  type ServiceEvent,
  ServiceRegistry,
  type ServiceType,
} from "@firn/castore";
import {
  OPTIONAL_KINDS,
  type PathInfoService,
  type RealisationService,
  STORE_WRAPS,
  storeServiceTypes,
} from "@firn/store";
import fc from "fast-check";

const KEY = "do.not.use:sGPzxuK5WvWPraytx+6sjtaff866sYlfvErE6x0hFEhy5eqe7OVZ8ZMqZ/ME/HaRdKGNGvJkyGKXYTaeA6lR3A==";
const host = {
  storeDir: "/nix/store",
  readText: async (path: string) => {
    assert.equal(path, "/key");
    return KEY;
  },
};

/** A type that says when it is opened and closed; two instances of one place share it. */
function disk(log: string[]): ServiceType {
  return defineServiceType<{ path: string; far?: BlobService }>({
    kind: "blobservices",
    type: "disk",
    fields: { path: { is: "text" }, far: { is: "service", optional: true } },
    ofUrl: ({ place }) => ({ path: place }),
    open: async ({ path }, { shared, name }) => {
      log.push(`instance ${name}`);
      await shared(`disk ${path}`, () => {
        log.push(`open ${path}`);
        return { [Symbol.asyncDispose]: async () => void log.push(`close ${path}`) };
      });
      return new MemoryBlobs();
    },
  });
}
const registryWith = (log: string[] = []) =>
  new ServiceRegistry([...storeServiceTypes(host), disk(log)], OPTIONAL_KINDS);
const compose = (document: unknown, log: string[] = [], more: Partial<CompositionOptions> = {}) =>
  new Composition(document, { registry: registryWith(log), wraps: STORE_WRAPS, ...more });
const memory = { type: "memory" };
const rest = { directoryservices: { root: memory }, pathinfoservices: { root: memory } };
const withBlobs = (blobservices: unknown) => ({ ...rest, blobservices });

describe("a composition", () => {
  test("opens what is asked for, each instance once, and closes in turn", async () => {
    const log: string[] = [];
    const document = withBlobs({
      root: { type: "tiers", sources: ["a", "b", "cache://?near=lru://&far=c"] },
      a: { type: "disk", path: "/1" },
      b: { type: "retry", inner: "a", attempts: 3n },
      c: { type: "disk", path: "/1" },
      unused: { type: "disk", path: "/2" },
    });
    {
      await using composition = compose(document, log);
      assert.deepEqual(log, []);
      const [one, two] = await Promise.all([composition.open("blobservices"), composition.open("blobservices")]);
      assert.equal(one, two);
      const blobs = one as BlobService;
      const digest = await blobs.put(new Uint8Array(3));
      assert.equal(await ((await composition.open("blobservices", "a")) as BlobService).has(digest), true);
      await assert.rejects(composition.open("blobservices", "nope"), { code: "composition" });
    }
    assert.deepEqual(log, ["instance a", "open /1", "instance c", "close /1"]);
  });

  test("says in errors which instance they come from, or what the whole is known by", async () => {
    const failing = withBlobs({ root: { type: "read-only", inner: "memory" }, memory });
    for (const [label, start] of [
      [undefined, "blobservices 'root': this service"],
      ["disk:/1", "disk:/1: this service"],
      ["this", "this service"],
    ] as const) {
      await using composition = compose(failing, [], label === undefined ? {} : { label });
      const blobs = (await composition.open("blobservices")) as BlobService;
      await assert.rejects(blobs.put(new Uint8Array(1)), ({ message }: Error) => message.startsWith(start));
    }
  });

  test("signs, verifies and combines path infos", async () => {
    await using composition = compose({
      blobservices: { root: memory },
      directoryservices: { root: memory },
      pathinfoservices: {
        root: {
          type: "verify",
          inner: "signed",
          public_keys: ["do.not.use:cuXqnuzlWfGTKmfzBPx2kXShjRryZMhil2E2ngOpUdw="],
          blob_service: "root",
          directory_service: "root",
        },
        signed: { type: "keyfile-signing", inner: "memory", keyfile: "/key" },
        memory,
      },
    });
    const { StorePath } = await import("@firn/nix-compat");
    const root = (await composition.open("pathinfoservices")) as PathInfoService;
    const info = {
      path: new StorePath("a".repeat(32), "x"),
      node: { kind: "file", digest: EMPTY_DIGEST, size: 0, executable: false } as const,
      narSha256: new Uint8Array(32),
      narSize: 112,
      references: [],
      signatures: [],
      registeredAt: 1,
    };
    await ((await composition.open("pathinfoservices", "memory")) as PathInfoService).put([info]);
    await assert.rejects(root.get("a".repeat(32)), { code: "untrusted" });
    await root.put([info]);
    assert.equal((await root.get("a".repeat(32)))?.signatures.length, 2);
  });

  test("signs and verifies realisations, and may be without any", async () => {
    const document = {
      ...withBlobs({ root: memory }),
      realisationservices: {
        root: {
          type: "verify",
          inner: "signed",
          public_keys: ["do.not.use:cuXqnuzlWfGTKmfzBPx2kXShjRryZMhil2E2ngOpUdw="],
        },
        signed: { type: "keyfile-signing", inner: "memory", keyfile: "/key" },
        memory,
      },
    };
    await using composition = compose(document);
    assert.ok(composition.has("realisationservices"));
    const { StorePath } = await import("@firn/nix-compat");
    const path = new StorePath("a".repeat(32), "x");
    const realisation = { drvPath: new StorePath("b".repeat(32), "x.drv"), output: "out", path, signatures: [] };
    const root = (await composition.open("realisationservices")) as RealisationService;
    await ((await composition.open("realisationservices", "memory")) as RealisationService).put([realisation]);
    await assert.rejects(root.get(realisation.drvPath, "out"), {
      code: "untrusted",
      message: /^realisationservices 'root'/,
    });
    await root.put([realisation]);
    assert.equal((await root.get(realisation.drvPath, "out"))?.signatures.length, 1);
    await using without = compose(withBlobs({ root: memory }));
    assert.equal(without.has("realisationservices"), false);
    const headless = { ...withBlobs({ root: memory }), realisationservices: { memory } };
    assert.throws(() => compose(headless), { code: "composition", message: /realisationservices\.root/ });
  });

  test("names the instance in errors and reports calls", async () => {
    const events: ServiceEvent[] = [];
    let now = 0;
    const document = withBlobs({ root: { type: "tiers", sources: ["full"] }, full: { type: "memory", capacity: 10 } });
    await using composition = compose(document, [], {
      trace: { sink: (event) => events.push(event), now: () => now++ },
    });
    const blobs = (await composition.open("blobservices")) as BlobService;
    await assert.rejects(blobs.put(new Uint8Array(11)), {
      code: "limit",
      message: "blobservices 'full': the blobs in memory would pass 10 bytes",
    });
    assert.deepEqual(
      events.map(({ instance, operation, outcome }) => [instance, operation, outcome]),
      [
        ["blobservices.full", "put", "limit"],
        ["blobservices.root", "put", "limit"],
      ],
    );
  });

  test("is closed for good", async () => {
    const composition = compose(withBlobs({ root: memory }));
    await composition[Symbol.asyncDispose]();
    await assert.rejects(composition.open("blobservices"), { code: "closed" });
  });
});

describe("a document is refused", () => {
  const refused: [string, unknown, RegExp][] = [
    ["that is no table", 3, /the composition: expected a table/],
    ["without a root", withBlobs({ other: memory }), /blobservices: an instance named 'root' is missing/],
    [
      "with an unknown table",
      { ...withBlobs({ root: memory }), blobservice: {} },
      /'blobservice' is not a table\. Did you mean blobservices\?/,
    ],
    ["without a type", withBlobs({ root: {} }), /blobservices\.root: a type is missing/],
    [
      "with an unknown type",
      withBlobs({ root: { type: "memmory" } }),
      /'memmory' is not a type\. Did you mean memory\?/,
    ],
    [
      "with a type of another kind",
      withBlobs({ root: { type: "keyfile-signing" } }),
      /is not a type\. Known are: cache, combined, disk/,
    ],
    [
      "with an unknown field",
      withBlobs({ root: { type: "memory", capacty: 1 } }),
      /'capacty' is not a field of 'memory'\. Did you mean capacity\?/,
    ],
    ["with a field missing", withBlobs({ root: { type: "cache", near: "root" } }), /'cache' needs the field far/],
    ["with a count of 0", withBlobs({ root: { type: "memory", capacity: 0 } }), /capacity: expected an integer from 1/],
    [
      "with a text for a count",
      withBlobs({ root: { type: "memory", capacity: "1" } }),
      /capacity: expected an integer/,
    ],
    ["with a number for a text", withBlobs({ root: { type: "disk", path: 1 } }), /path: expected a string/],
    ["with no sources", withBlobs({ root: { type: "tiers", sources: [] } }), /sources: expected a list of names/],
    [
      "with a reference to nothing",
      withBlobs({ root: { type: "verify", inner: "dsk" }, disk: memory }),
      /'dsk' is not an instance of blobservices\. Did you mean disk\?/,
    ],
    [
      "with a reference in a URL to nothing",
      withBlobs({ root: { type: "verify", inner: "verify://?inner=x" } }),
      /'x' is not an instance/,
    ],
    [
      "that needs itself",
      withBlobs({ root: { type: "verify", inner: "root" } }),
      /needs itself: blobservices\.root -> blobservices\.root/,
    ],
    [
      "that goes in a circle",
      withBlobs({
        root: { type: "tiers", sources: ["a"] },
        a: { type: "cache", near: "b", far: "c" },
        b: memory,
        c: { type: "verify", inner: "verify://?inner=a" },
      }),
      /needs itself: blobservices\.a -> blobservices\.c -> blobservices\.verify:\/\/\?inner=a -> blobservices\.a/,
    ],
    ["with a name that looks like a URL", withBlobs({ root: memory, "a:b": memory }), /a name with a colon/],
    [
      "with a URL of an unknown type",
      withBlobs({ root: { type: "verify", inner: "gopher://x" } }),
      /'gopher' is not a type/,
    ],
    [
      "with a place where none is",
      withBlobs({ root: { type: "verify", inner: "memory://x" } }),
      /'memory' takes no place/,
    ],
  ];
  for (const [what, document, message] of refused) {
    test(what, () => assert.throws(() => compose(document), { code: "composition", message }));
  }

  test("but not for the same instance being needed on many ways", () => {
    const blobs: Record<string, unknown> = { root: { type: "tiers", sources: ["l0", "r0"] } };
    for (let i = 0; i < 60; i++) {
      const below = i === 59 ? ["end"] : [`l${i + 1}`, `r${i + 1}`];
      blobs[`l${i}`] = { type: "tiers", sources: below };
      blobs[`r${i}`] = { type: "tiers", sources: below };
    }
    blobs.end = memory;
    compose(withBlobs(blobs));
  });
});

describe("a URL", () => {
  const read = (url: string) => readServiceUrl("blobservices", url, registryWith()).fields;
  test("gives place and fields", () => {
    assert.deepEqual(read("memory:"), {});
    assert.deepEqual(read("memory://"), {});
    assert.deepEqual(read("memory://?capacity=5"), { capacity: 5 });
    assert.deepEqual(read("disk:///a%20b"), { path: "/a b" });
    assert.deepEqual(read("disk:rel/ative"), { path: "rel/ative" });
    assert.deepEqual(read("tiers://?sources=a%20b"), { sources: ["a", "b"] });
    const { near } = read("cache://?near=disk%3A%2F%2Fx%3Ffar%3Da&far=b") as { near: { fields: unknown } };
    assert.deepEqual(near.fields, { path: "x", far: "a" });
  });
  const refused = [
    "",
    "memory",
    "Memory:",
    "disk://x?path=y",
    "memory://?capacity=x",
    "memory://?capacity=1&capacity=2",
    "memory://?%zz=1",
    "disk://%",
    "x:",
  ];
  for (const url of refused) {
    test(`'${url}' is refused`, () => assert.throws(() => read(url), { code: "composition" }));
  }
  test("of URLs in URLs without end is refused, and any text is read or refused", () => {
    let url = "memory:";
    for (let i = 0; i < 12; i++) url = `verify://?inner=${encodeURIComponent(url)}`;
    assert.throws(() => read(url), { code: "limit" });
    const piece = fc.oneof(
      fc.constantFrom("cache", "://", "?", "near=", "&", "%3A", "memory:", "=", "+", "a"),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        try {
          read(pieces.join(""));
        } catch (thrown) {
          assert.match((thrown as { code: string }).code, /^(composition|limit)$/);
        }
      }),
    );
  });
});

test("digests of a composed store are the same as anywhere", async () => {
  await using composition = compose(withBlobs({ root: memory }));
  const url = (await composition.openUrl("blobservices", "cache://?near=memory:&far=root")) as BlobService;
  const digest = await ((await composition.open("blobservices")) as BlobService).put(new Uint8Array(9));
  assert.equal(digest, digestOf(new Uint8Array(9)));
  assert.equal(await url.has(digest), true);
});
