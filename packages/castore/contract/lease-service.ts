/*
What every LeaseService must do together with the services that take its leases, as tests.
*/

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type BlobService, Directory, type DirectoryService, EMPTY_DIGEST, type LeaseService } from "@firn/castore";

type Opened = {
  readonly leases: LeaseService;
  readonly blobs: BlobService;
  readonly directories: DirectoryService;
  close(): Promise<void>;
};

export function leaseServiceContract(name: string, open: () => Promise<Opened>): void {
  const check = (sentence: string, body: (opened: Opened) => Promise<void>) =>
    test(sentence, async () => {
      const opened = await open();
      try {
        await body(opened);
      } finally {
        await opened.close();
      }
    });

  describe(`${name} keeps the contract of a LeaseService`, () => {
    check("leases have different ids and may be released twice", async ({ leases }) => {
      const first = await leases.openLease("first");
      const second = await leases.openLease("first");
      assert.notEqual(first.id, second.id);
      await first.release();
      await first.release();
      await second.release();
    });

    check("calls take an open lease and refuse a released one", async ({ leases, blobs, directories }) => {
      const lease = await leases.openLease("a test");
      assert.equal(await blobs.put(new Uint8Array(), { lease }), EMPTY_DIGEST);
      assert.equal(await blobs.has(EMPTY_DIGEST, { lease }), true);
      await directories.put(Directory.EMPTY, { lease });
      await lease.release();
      await assert.rejects(async () => blobs.has(EMPTY_DIGEST, { lease }), { code: "closed" });
      await assert.rejects(async () => directories.has(EMPTY_DIGEST, { lease }), { code: "closed" });
    });
  });
}
