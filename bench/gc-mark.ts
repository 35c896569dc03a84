/*
How long garbage collection takes to find out what is needed, and what it deletes, in a store of 200,000 synthetic paths: each a directory of two
small files and a directory, with three references to others; nine of ten held by one root. `GC_PATHS` says another number.
*/

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLocalStore } from "@firn/backend-local";
import { Directory, digestOf } from "@firn/castore";
import { StorePath } from "@firn/nix-compat";
import { encodePathInfo } from "@firn/store";
import { stamp } from "../packages/backend-local/src/record-head.ts";
import { digestKey, StoreIndex, textKey } from "../packages/backend-local/src/store-index.ts";

const PATHS = Number(process.env.GC_PATHS ?? 200_000);
const BATCH = 2000;
const NIX_BASE32 = "0123456789abcdfghijklmnpqrsvwxyz";

function pathOf(number: number): StorePath {
  const digest = digestOf(Buffer.from(`path ${number}`));
  let hashPart = "";
  for (let i = 0; i < 32; i++) hashPart += NIX_BASE32[Number.parseInt(digest.slice(i * 2, i * 2 + 2), 16) & 31];
  return new StorePath(hashPart, `package-${number}`);
}

function withHead(bytes: Uint8Array, kind?: number): Buffer {
  const record = Buffer.concat([Buffer.alloc(4), kind === undefined ? Buffer.alloc(0) : Buffer.from([kind]), bytes]);
  stamp(record, 1);
  return record;
}

/** Writes the records themselves, since what is measured is how they are read. */
async function fill(dir: string): Promise<void> {
  const index = new StoreIndex(dir);
  const file = (text: string) => {
    const bytes = Buffer.from(text);
    const digest = digestOf(bytes);
    index.blobs.putSync(digestKey(digest), withHead(bytes, 0));
    return { kind: "file", digest, size: bytes.length, executable: false } as const;
  };
  const directory = (entries: ConstructorParameters<typeof Directory>[0]) => {
    const made = new Directory(entries);
    index.directories.putSync(digestKey(made.digest), withHead(made.encoded));
    return made.node;
  };
  for (let from = 0; from < PATHS; from += BATCH) {
    index.env.transactionSync(() => {
      for (let number = from; number < Math.min(PATHS, from + BATCH); number++) {
        const inner = directory([{ name: "share", node: file(`shared by ten ${Math.floor(number / 10)}`) }]);
        const node = directory([
          { name: "bin", node: file(`program ${number}`) },
          { name: "doc", node: inner },
          { name: "lib", node: file(`library ${number}`) },
        ]);
        const path = pathOf(number);
        const kept = number % 10 !== 9;
        const others = [number - 1, number >> 1, number - 10].filter((other) => other >= 0 && other !== number);
        const names = new Map(
          others.filter((other) => !kept || other % 10 !== 9).map((other) => [`${pathOf(other)}`, pathOf(other)]),
        );
        const references = [...names.keys()].sort().map((name) => names.get(name) as StorePath);
        const info = {
          path,
          node,
          narSha256: new Uint8Array(32),
          narSize: 1000,
          references,
          signatures: [],
          registeredAt: 1,
        };
        index.pathInfos.putSync(textKey(path.hashPart), Buffer.from(encodePathInfo(info)));
        for (const { hashPart } of references)
          index.referrers.putSync(textKey(hashPart + path.hashPart), Buffer.from([1]));
        if (kept && number >= PATHS - 100)
          index.roots.putSync(
            textKey(`name:${number}`),
            Buffer.from(JSON.stringify({ name: `${number}`, path: `${path}` })),
          );
        if (kept && number % 50 === 0)
          index.roots.putSync(
            textKey(`name:${number}`),
            Buffer.from(JSON.stringify({ name: `${number}`, path: `${path}` })),
          );
      }
    });
  }
  await index.close();
}

if (process.argv[2] === "fill") await fill(process.argv[3]);
else await measure();

async function measure(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "firn-bench-gc-"));
  try {
    const dir = join(directory, "store");
    await (await openLocalStore(dir)).close();
    // In a process of its own, whose garbage is not to be measured.
    execFileSync(process.execPath, [...process.execArgv, import.meta.filename, "fill", dir]);
    const store = await openLocalStore(dir);
    const cpuOf = async <T>(work: () => Promise<T>) => {
      const before = process.cpuUsage();
      const from = performance.now();
      const result = await work();
      const { user, system } = process.cpuUsage(before);
      return { result, ms: performance.now() - from, cpuMs: (user + system) / 1000 };
    };
    let markCpuMs = 0;
    const markedAt = (before: NodeJS.CpuUsage) => {
      const { user, system } = process.cpuUsage(before);
      markCpuMs ||= (user + system) / 1000;
    };
    const begun = process.cpuUsage();
    const dry = await cpuOf(() =>
      store.collectGarbage({ dryRun: true, onProgress: ({ phase }) => phase === "paths" && markedAt(begun) }),
    );
    const real = await cpuOf(() => store.collectGarbage());
    const { livePaths, deadPaths, directories, blobs } = real.result;
    const lines = [
      `garbage collection of ${PATHS} paths: ${livePaths} live, ${deadPaths.length} dead (${directories} directories, ${blobs} blobs)`,
      `  mark      ${dry.result.markMs.toFixed(0)} ms wall, ${markCpuMs.toFixed(0)} ms CPU, again ${real.result.markMs.toFixed(0)} ms`,
      `  dry run   ${dry.ms.toFixed(0)} ms wall, ${dry.cpuMs.toFixed(0)} ms CPU`,
      `  in whole  ${real.ms.toFixed(0)} ms wall, ${real.cpuMs.toFixed(0)} ms CPU`,
      `  memory    ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`,
    ];
    process.stdout.write(`${lines.join("\n")}\n`);
    await store.close();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
