/*
The binary cache: narinfos a second over connections that stay, and the NARs of a closure over one connection beside nginx, which serves the same NARs as
files. The servers are processes of their own, whose CPU time (user and system) is what is compared first; wall time on a shared machine is worth little.
The client is curl for NARs, and a few sockets that do nothing but count for narinfos. BENCH_CLOSURE_MB sets the size of the closure.
*/

import { execFileSync, spawn } from "node:child_process";
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { openLocalStore } from "@firn/backend-local";
import { digestOf, type Node, TreeBuilder } from "@firn/castore";
import { BinaryCache } from "@firn/gateway";
import { generateSecretKey, StorePath } from "@firn/nix-compat";
import { calculateNar, printCastoreNarPath, renderNar, type StoreServices } from "@firn/store";
import { onPath } from "../dev/need.ts";

const CLOSURE_MB = Number(process.env.BENCH_CLOSURE_MB ?? 1536);
const PATHS = 12;
const RUNS = Number(process.env.BENCH_RUNS ?? 3);
const REQUESTS = 150_000;
const CONNECTIONS = 16;
const NGINX_PORT = 18_080;
const TICKS_PER_SECOND = 100;

const [, , role, storeDir] = process.argv;
if (role === "serve") await serve(storeDir);
else await measure();

async function serve(hostDir: string): Promise<void> {
  const store = await openLocalStore(hostDir);
  const keys = [await generateSecretKey("bench-1")];
  const report = (thrown: unknown) => void process.stderr.write(`${thrown}\n`);
  const cache = new BinaryCache({ ...store, isWritable: false, keys, now: Date.now, report });
  const server = createServer((request, response) => {
    if (!cache.handle(request, response)) response.writeHead(404).end();
  });
  server.listen(0, "127.0.0.1", () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
}

async function measure(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "firn-bench-cache-"));
  const ended: (() => void)[] = [];
  try {
    const { narPaths, hashParts } = await makeClosure(directory);
    // The flag that matters here of those ./firn starts with: without it V8 collects for every 25 MB that pass through.
    const flags = ["--initial-old-space-size=1000"];
    const server = spawn(process.execPath, [...flags, import.meta.filename, "serve", join(directory, "store")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    ended.push(() => server.kill("SIGKILL"));
    const port = await new Promise<number>((resolve) => server.stdout.once("data", (text) => resolve(Number(text))));
    await narInfos(port, server.pid as number, hashParts);
    if (onPath("nginx") === undefined || onPath("curl") === undefined) {
      process.stdout.write("NARs: not measured, nginx or curl is not here\n");
      return;
    }
    const nginx = startNginx(directory);
    ended.push(nginx.end);
    await nars(port, server.pid as number, nginx.pid, narPaths);
  } finally {
    for (const end of ended) end();
    rmSync(directory, { recursive: true, force: true });
  }
}

type Closure = { readonly narPaths: readonly string[]; readonly hashParts: readonly string[] };

/** A store with the paths, and their NARs as files. */
async function makeClosure(directory: string): Promise<Closure> {
  await using store = await openLocalStore(join(directory, "store"));
  mkdirSync(join(directory, "nars"));
  const narPaths: string[] = [];
  const hashParts: string[] = [];
  for (let n = 0; n < PATHS; n++) {
    const node = await noiseTree(store, (CLOSURE_MB * 1e6) / PATHS);
    const nar = await calculateNar(node, store);
    const path = new StorePath(String(n).padStart(2, "0").repeat(16), `noise-${n}`);
    await store.pathInfos.put([{ path, node, ...nar, references: [], signatures: [], registeredAt: 1 }]);
    await pipeline(renderNar(node, store), createWriteStream(join(directory, "nars", `${n}.nar`)));
    narPaths.push(printCastoreNarPath({ node, narSize: nar.narSize }) as string);
    hashParts.push(path.hashPart);
  }
  return { narPaths, hashParts };
}

/** Nine tenths in files of 4 MB, the rest in small ones, as programs and their data are; nothing of it compresses. */
async function noiseTree(store: StoreServices, bytes: number): Promise<Node> {
  const builder = new TreeBuilder(store.directories);
  const noise = new Uint8Array(4_000_000);
  builder.enter("");
  const add = async (name: string, length: number) => {
    for (let at = 0; at < length; at += 65_536)
      crypto.getRandomValues(noise.subarray(at, Math.min(length, at + 65_536)));
    const contents = noise.subarray(0, length);
    await store.blobs.put(contents);
    builder.add(name, { kind: "file", digest: digestOf(contents), size: length, executable: false });
  };
  builder.enter("large");
  for (let n = 0; n < (bytes * 0.9) / noise.length; n++) await add(`file-${n}`, noise.length);
  await builder.leave();
  builder.enter("small");
  for (let n = 0; n < (bytes * 0.1) / 16_000; n++) await add(`file-${n}`, 16_000);
  await builder.leave();
  await builder.leave();
  return builder.close();
}

async function narInfos(port: number, pid: number, hashParts: readonly string[]): Promise<void> {
  const best = { wall: 0, cpu: 0 };
  for (let run = 0; run < RUNS; run++) {
    const cpu = cpuSeconds(pid);
    const from = performance.now();
    await Promise.all(
      Array.from({ length: CONNECTIONS }, (_, n) =>
        askAgain(port, hashParts[n % hashParts.length], REQUESTS / CONNECTIONS),
      ),
    );
    best.wall = Math.max(best.wall, REQUESTS / ((performance.now() - from) / 1000));
    best.cpu = Math.max(best.cpu, REQUESTS / (cpuSeconds(pid) - cpu));
  }
  process.stdout.write(
    `narinfos: ${Math.round(best.wall)} a second over ${CONNECTIONS} connections, ${Math.round(best.cpu)} a second of the server's CPU time\n`,
  );
}

/** Sends a request whenever the answer to the last one is whole. */
function askAgain(port: number, hashPart: string, count: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const request = `GET /${hashPart}.narinfo HTTP/1.1\r\nhost: localhost\r\n\r\n`;
  let [came, length, left] = [0, 0, count];
  const socket = connect(port, "127.0.0.1", () => socket.write(request));
  socket.on("error", reject).on("data", (chunk) => {
    if (length === 0) {
      const head = chunk.toString("latin1");
      const bodyBytes = Number(/^content-length: (\d+)/im.exec(head)?.[1]);
      if (!head.startsWith("HTTP/1.1 200") || !(bodyBytes > 0)) return reject(new Error(head));
      length = head.indexOf("\r\n\r\n") + 4 + bodyBytes;
    }
    came += chunk.length;
    if (came < length) return;
    came -= length;
    if (--left === 0) {
      socket.destroy();
      resolve();
    } else socket.write(request);
  });
  return promise;
}

async function nars(port: number, pid: number, nginxPid: number, narPaths: readonly string[]): Promise<void> {
  const best = { ours: { wall: 0, cpu: 0 }, nginx: { wall: 0, cpu: 0 } };
  const ask = (urls: readonly string[]) =>
    execFileSync("curl", ["-sf", ...urls.flatMap((url) => ["-o", "/dev/null", url])]);
  const sides = [
    ["ours", pid, narPaths.map((path) => `http://127.0.0.1:${port}/${path}`)],
    ["nginx", nginxPid, narPaths.map((_, n) => `http://127.0.0.1:${NGINX_PORT}/${n}.nar`)],
  ] as const;
  for (let run = 0; run < RUNS; run++) {
    for (const [side, sidePid, urls] of run % 2 === 0 ? sides : [...sides].reverse()) {
      const cpu = cpuSeconds(sidePid);
      const from = performance.now();
      ask(urls);
      best[side].wall = Math.max(best[side].wall, CLOSURE_MB / ((performance.now() - from) / 1000));
      best[side].cpu = Math.max(best[side].cpu, CLOSURE_MB / Math.max(0.01, cpuSeconds(sidePid) - cpu));
    }
  }
  const shown = ({ wall, cpu }: { wall: number; cpu: number }) =>
    `${Math.round(wall)} MB/s (${Math.round(cpu)} a second of CPU time)`;
  process.stdout.write(
    `NARs of ${CLOSURE_MB} MB over one connection: ${shown(best.ours)}, nginx ${shown(best.nginx)}: ${(best.ours.wall / best.nginx.wall).toFixed(2)}x\n`,
  );
}

function startNginx(directory: string): { readonly pid: number; readonly end: () => void } {
  const config = join(directory, "nginx.conf");
  writeFileSync(
    config,
    `daemon off; master_process off; pid ${directory}/nginx.pid; error_log ${directory}/nginx.log; events {}
     http { access_log off; sendfile on; server { listen 127.0.0.1:${NGINX_PORT}; root ${directory}/nars; } }`,
  );
  const child = spawn("nginx", ["-c", config, "-p", directory], { stdio: "inherit" });
  execFileSync("sleep", ["1"]);
  return { pid: child.pid as number, end: () => void child.kill("SIGKILL") };
}

/** User and system time of a process with all its threads. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
