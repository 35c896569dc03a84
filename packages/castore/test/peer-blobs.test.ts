/* Peers of which none is trusted: what is read is right or an error, liars are named and left alone, the slow and the broken are passed by. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { collectBytes } from "@firn/base";
import {
  type BlobReader,
  type BlobService,
  computeOutboard,
  type Digest,
  digestOf,
  MemoryBlobs,
  PeerBlobs,
  TieredBlobs,
} from "@firn/castore";
import { blobServiceContract } from "@firn/castore/contract";
import { Faults, faultyBlobs } from "./faulty.ts";

blobServiceContract("peers, with a writable store behind", async () => {
  const store = new MemoryBlobs();
  return { blobs: new TieredBlobs([new PeerBlobs([store, store, store]), store]), close: async () => {} };
});

const BYTES = new Uint8Array(3_400_000).map((_, i) => (i * 31 + (i >> 9)) & 255);
const SMALL = BYTES.slice(0, 1000);

type Change = {
  readonly bytes?: (chunk: Uint8Array, at: number) => Uint8Array;
  readonly outboard?: (bytes: Uint8Array) => Uint8Array;
  readonly size?: number;
  readonly hangs?: boolean;
};

/** A source that has the blobs and does to them what it is told; `read` counts its bytes. */
async function source(change: Change = {}) {
  const store = new MemoryBlobs();
  for (const bytes of [BYTES, SMALL]) await store.put(bytes);
  const counted = { bytes: 0 };
  const reader = (open: BlobReader): BlobReader => ({
    size: change.size ?? open.size,
    async *stream(from = 0, to = open.size) {
      let at = from;
      for await (const chunk of open.stream(from, to)) {
        if (change.hangs === true) await new Promise(() => undefined);
        counted.bytes += chunk.length;
        yield change.bytes?.(chunk, at) ?? chunk;
        at += chunk.length;
      }
    },
    close: () => open.close(),
    [Symbol.asyncDispose]: () => open.close(),
  });
  const service: BlobService = {
    supports: { write: false, chunks: false },
    has: (digest) => store.has(digest),
    openRead: async (digest) => {
      const open = await store.openRead(digest);
      return open && reader(open);
    },
    openWrite: () => store.openWrite(),
    put: (bytes) => store.put(bytes),
    chunks: (digest) => store.chunks(digest),
    outboard: async (digest) => {
      const outboard = await computeOutboard(store, digest);
      return outboard && (change.outboard?.(outboard) ?? outboard);
    },
  };
  return { service, counted };
}

async function readAll(blobs: BlobService, digest: Digest): Promise<Uint8Array> {
  await using reader = await blobs.openRead(digest);
  assert.ok(reader);
  return await collectBytes(reader.stream(), 1 << 24, () => new Error("too long"));
}

const flipAt = (where: number) => (chunk: Uint8Array, at: number) => {
  if (where >= at && where < at + chunk.length) chunk[where - at] ^= 1;
  return chunk;
};

test("honest sources share the work", async () => {
  const sources = await Promise.all([source(), source(), source()]);
  const peers = new PeerBlobs(sources.map(({ service }) => service));
  assert.deepEqual(await readAll(peers, digestOf(BYTES)), BYTES);
  for (const { counted } of sources) assert.ok(counted.bytes >= 1 << 19, `${counted.bytes} bytes of 3,400,000`);
});

const LIES: Readonly<Record<string, Change>> = {
  "its first byte": { bytes: flipAt(0) },
  "a byte in the middle": { bytes: flipAt(1_700_000) },
  "its last byte": { bytes: flipAt(BYTES.length - 1) },
  "its outboard": { outboard: (bytes) => bytes.with(50, bytes[50] ^ 1) },
  "the length in its outboard": { outboard: (bytes) => bytes.with(0, bytes[0] ^ 1) },
  "its length": { size: BYTES.length - 1 },
};

for (const [what, change] of Object.entries(LIES)) {
  for (const place of [0, 1, 2]) {
    test(`source ${place} of three that lies about ${what} is named, and what is read is right`, async () => {
      const sources = await Promise.all([0, 1, 2].map((i) => source(i === place ? change : {})));
      const lies: [number, string][] = [];
      const onLie = (number: number, found: Error) => lies.push([number, found.message]);
      const peers = new PeerBlobs(
        sources.map(({ service }) => service),
        { onLie },
      );
      for (let i = 0; i < 2; i++) assert.deepEqual(await readAll(peers, digestOf(BYTES)), BYTES);
      // One whose lie nobody relied on, such as an outboard that was not the first asked for, may go unnoticed.
      for (const [number, message] of lies) {
        assert.equal(number, place);
        assert.match(message, new RegExp(`^source ${place + 1} of 3: `));
      }
      assert.ok(lies.length <= 1, "named once");
      assert.deepEqual(
        peers.liars,
        lies.map(([number]) => number),
      );
      // The first one's proofs are looked at in any case.
      if (what === "its length" || (place === 0 && /outboard|last/.test(what)))
        assert.equal(lies.length, 1, "found out");
    });
  }
}

test("a liar is never asked again", async () => {
  const [liar, honest] = [await source({ bytes: flipAt(10) }), await source()];
  const peers = new PeerBlobs([liar.service, honest.service]);
  assert.deepEqual(await readAll(peers, digestOf(SMALL)), SMALL);
  assert.deepEqual(peers.liars, [0]);
  const before = liar.counted.bytes;
  assert.deepEqual(await readAll(peers, digestOf(BYTES)), BYTES);
  assert.equal(liar.counted.bytes, before);
});

test("liars alone give an error that names one, and nothing else", async () => {
  const sources = await Promise.all([source({ bytes: flipAt(2_000_000) }), source({ bytes: flipAt(1_999_999) })]);
  const peers = new PeerBlobs(sources.map(({ service }) => service));
  await assert.rejects(readAll(peers, digestOf(BYTES)), { code: "corrupt", message: /^source [12] of 2: / });
});

test("one that hangs holds nobody up", async () => {
  const [slow, good] = [await source({ hangs: true }), await source()];
  const peers = new PeerBlobs([good.service, slow.service]);
  assert.deepEqual(await readAll(peers, digestOf(BYTES)), BYTES);
});

test("one whose connection breaks is left out of the read, and asked again later", async () => {
  const faults = new Faults();
  faults.breaks.push(100_000);
  const good = await source();
  const peers = new PeerBlobs([good.service, faultyBlobs((await source()).service, faults)]);
  assert.deepEqual(await readAll(peers, digestOf(BYTES)), BYTES);
  assert.deepEqual(peers.liars, []);
  faults.asked.length = 0;
  assert.deepEqual(await readAll(peers, digestOf(BYTES)), BYTES);
  assert.ok(faults.asked.includes("stream"));
});

test("what nobody has is absent, but not while somebody could not be asked", async () => {
  const faults = new Faults();
  const good = await source();
  const peers = new PeerBlobs([good.service, faultyBlobs(good.service, faults)]);
  const absent = digestOf(new Uint8Array(77));
  assert.equal(await peers.openRead(absent), undefined);
  assert.equal(await peers.has(absent), false);
  faults.failing.set("has", 1);
  await assert.rejects(peers.has(absent), { code: "storage", message: /^source 2 of 2: / });
});
