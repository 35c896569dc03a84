/*
A blob out of `firn serve` and into it over plain HTTP, one client on this machine. Beside it, in the same run, a server of a few lines of Node that sends and takes
the same bytes and does nothing with them: what HTTP alone costs here. CPU time is the server's alone. Then the same blob read by Firn's own client, which proves every
byte before it hands it out; CPU time is the client's there.

    node dev/node.cjs bench/http-blobs.ts
*/

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Agent, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { StaticBlobs, StaticFiles } from "@firn/backend-castore-http";
import type { Digest } from "@firn/castore";
import { useNodeKernels } from "@firn/hash/node";

const RUNS = Number(process.env.BENCH_RUNS ?? 5);
const BYTES = 256 * 1024 * 1024;
const PIECE = 1 << 20;
/** Of /proc's times, a second. */
const TICKS = 100;

const contents = Buffer.alloc(BYTES);
for (let at = 0; at < BYTES; at += 65_536) crypto.getRandomValues(contents.subarray(at, at + 65_536));
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

type Side = { readonly name: string; readonly url: string; readonly child: ChildProcess };

function cpuMs({ child }: Side): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, "latin1").split(") ")[1].split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS;
}

async function measure(
  side: Side,
  work: () => Promise<unknown>,
): Promise<{ readonly wallMs: number; readonly cpuMs: number }> {
  const [cpuFrom, from] = [cpuMs(side), performance.now()];
  await work();
  return { wallMs: performance.now() - from, cpuMs: cpuMs(side) - cpuFrom };
}

function send(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { "content-length": BYTES };
    const asked = request(url, { method: "POST", agent, headers }, async (response) => {
      const parts = await response.toArray();
      if (response.statusCode === 201) resolve(Buffer.concat(parts).toString().trim());
      else reject(new Error(`HTTP status ${response.statusCode}`));
    });
    asked.on("error", reject);
    const write = async () => {
      for (let at = 0; at < BYTES; at += PIECE)
        if (!asked.write(contents.subarray(at, at + PIECE))) await once(asked, "drain");
      asked.end();
    };
    write().catch(reject);
  });
}

function take(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent }, (response) => {
      let length = 0;
      response.on("data", (bytes: Buffer) => {
        length += bytes.length;
      });
      response.on("end", () => (length === BYTES ? resolve() : reject(new Error(`${length} bytes came`))));
    });
    asked.on("error", reject).end();
  });
}

async function start(name: string, file: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Side> {
  const child = spawn(file, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return { name, url: (JSON.parse(line) as { url: string }).url, child };
}

function bareServer(): void {
  const server = createServer(async (asked, response) => {
    if (asked.method === "POST") {
      asked.resume();
      await once(asked, "end");
      response.writeHead(201).end();
      return;
    }
    response.writeHead(200, { "content-length": BYTES });
    for (let at = 0; at < BYTES; at += 256 * 1024)
      if (!response.write(contents.subarray(at, at + 256 * 1024))) await once(response, "drain");
    response.end();
  });
  server.listen(0, "127.0.0.1", () => {
    process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })}\n`);
  });
}

/** MB per second of each. */
async function readVerified(url: string, digest: Digest): Promise<{ readonly wall: number; readonly cpu: number }> {
  useNodeKernels();
  await using files = new StaticFiles(`${url}/castore`);
  const blobs = new StaticBlobs(files);
  const [wall, cpu]: [number[], number[]] = [[], []];
  for (let run = 0; run <= RUNS; run++) {
    const [before, from] = [process.cpuUsage(), performance.now()];
    await using reader = await blobs.openRead(digest);
    let length = 0;
    for await (const bytes of reader?.stream() ?? []) length += bytes.length;
    if (length !== BYTES) throw new Error(`${length} bytes came`);
    const { user, system } = process.cpuUsage(before);
    if (run === 0) continue; // warm from here on
    wall.push(BYTES / 1000 / (performance.now() - from));
    cpu.push(BYTES / (user + system));
  }
  return { wall: median(wall), cpu: median(cpu) };
}

const median = (values: readonly number[]): number =>
  [...values].sort((left, right) => left - right)[values.length >> 1];

async function main(): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), "firn-bench-http-"));
  const firn = join(import.meta.dirname, "../firn");
  const env = { PATH: process.env.PATH, HOME: home, FIRN_HOME: home };
  const sides = [
    await start("firn", firn, ["serve", "--json", "--listen", "127.0.0.1:0"], env),
    await start("bare", process.execPath, [import.meta.filename, "bare"], process.env),
  ];
  try {
    const digest = (await send(`${sides[0].url}/castore/blobs`)) as Digest;
    const place = `/castore/blobs/${digest.slice(0, 2)}/${digest}`;
    const rows: readonly (readonly [string, (side: Side) => Promise<unknown>])[] = [
      ["out", (side) => take(side.url + place)],
      ["in", (side) => send(`${side.url}/castore/blobs`)],
    ];
    console.log(`${BYTES / 2 ** 20} MiB over plain HTTP, one client (medians of ${RUNS} runs)`);
    for (const [what, work] of rows) {
      const shown: string[] = [];
      const found = sides.map(() => ({ wall: [] as number[], cpu: [] as number[] }));
      for (let run = 0; run <= RUNS; run++) {
        // What comes in is new each time, as far as chunks go.
        if (what === "in") for (let at = 0; at < BYTES; at += 65_536) contents[at] = run + 1;
        for (const [i, side] of sides.entries()) {
          const { wallMs, cpuMs: cpu } = await measure(side, () => work(side));
          if (run === 0) continue; // warm from here on
          found[i].wall.push(wallMs);
          found[i].cpu.push(cpu);
        }
      }
      for (const [i, { wall, cpu }] of found.entries())
        shown.push(
          `${sides[i].name} ${(BYTES / 1000 / median(wall)).toFixed(0)} MB/s, ${(BYTES / 1000 / median(cpu)).toFixed(0)} MB a CPU second`,
        );
      console.log(`  ${what.padEnd(4)} ${shown.join("   ")}`);
    }
    const read = await readVerified(sides[0].url, digest);
    console.log(`  read firn's client ${read.wall.toFixed(0)} MB/s, ${read.cpu.toFixed(0)} MB a CPU second`);
  } finally {
    agent.destroy();
    for (const { child } of sides) child.kill("SIGKILL");
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  }
}

if (process.argv[2] === "bare") bareServer();
else await main();
