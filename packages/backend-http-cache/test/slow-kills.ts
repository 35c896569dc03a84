/*
A binary cache whose server is killed and started again at random moments, connections included, while paths are copied from it and to it. In the end
everything is there; whenever the server comes back, what it acknowledged is registered and whole. By hand: `npm run slow:cache-kills [-- ROUNDS [SEED]]`.
*/

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { connect, createServer as createRelay, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { concatBytes } from "@firn/base";
import { openLocalStore } from "@firn/backend-local";
import { BinaryCache } from "@firn/gateway";
import { StorePath } from "@firn/nix-compat";
import { checkNar, type StoreServices, Substitution } from "@firn/store";
import { fileNode, memoryStore, register, treeNode } from "../../store/test/small-store.ts";
import { openNixCache, publish } from "../src/index.ts";

const PATHS = "abcdfghijk";
/** Time between kills. */
const PAUSE_MS = 350;
const PATIENT = { retry: { attemptsMax: 60, delayMs: 20, delayMsMax: 100 } };

async function serve(hostDir: string): Promise<void> {
  const store = await openLocalStore(hostDir);
  const report = (thrown: unknown) => void process.stderr.write(`${(thrown as Error).stack}\n`);
  const cache = new BinaryCache({ ...store, isWritable: true, now: Date.now, report });
  const server = createServer((request, response) => {
    if (!cache.handle(request, response)) response.writeHead(404).end();
  });
  server.listen(0, "127.0.0.1", () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
}

async function torture(rounds: number, seed: number): Promise<void> {
  process.stdout.write(`${rounds} rounds, seed ${seed}\n`);
  let state = seed || 1;
  const random = (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  const directory = mkdtempSync(join(tmpdir(), "firn-slow-cache-"));
  try {
    const source = await makeSource(random);
    const target = new Killed(join(directory, "served"));
    await using _target = target;
    const tally = { kills: 0, acknowledged: 0, resumed: 0 };
    for (let round = 0; round < rounds; round++) {
      const isUpload = round % 2 === 0;
      if (isUpload) await target.reset();
      const to = memoryStore();
      const done = new AbortController();
      const killing = (async () => {
        while (!done.signal.aborted) {
          await new Promise((resolve) => setTimeout(resolve, 20 + random(PAUSE_MS)));
          if (done.signal.aborted) break;
          if (random(3) === 0) target.cut();
          else await target.kill();
          tally.kills++;
        }
      })();
      using cache = openNixCache(`${target.url}?compression=${["none", "zstd"][random(2)]}`, PATIENT);
      const root = source.top;
      if (isUpload) {
        // An upload whose NAR was forgotten by a server that was killed is refused for want of it: whoever uploads begins again.
        for (let attempt = 0; ; attempt++) {
          try {
            await publish([root], source.store, cache, { tempDir: directory });
            break;
          } catch (thrown) {
            assert.ok(attempt < 100, String(thrown));
            tally.resumed++;
          }
        }
      } else {
        for (let attempt = 0; ; attempt++) {
          const substitution = new Substitution({
            sources: [cache.cache],
            to,
            lease: undefined,
            trusted: undefined,
            now: Date.now,
          });
          const isThere = await substitution.bring([root]).catch(() => false);
          if (isThere) break;
          assert.ok(attempt < 100, "the copy never got done");
          tally.resumed++;
        }
      }
      done.abort();
      await killing;
      if (isUpload) tally.acknowledged += await target.checkAll(source.store);
      else {
        const infos = await Array.fromAsync(to.pathInfos.list());
        assert.equal(infos.length, PATHS.length);
        for (const info of infos) await checkNar(info, to);
      }
    }
    const { kills, acknowledged, resumed } = tally;
    process.stdout.write(
      `${kills} kills and cuts, ${resumed} copies begun again, ${acknowledged} acknowledged paths found whole\n`,
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A chain of paths of some megabytes each. */
async function makeSource(
  random: (below: number) => number,
): Promise<{ readonly store: StoreServices; readonly top: StorePath }> {
  const store = memoryStore();
  let before = "";
  for (const letter of PATHS) {
    const noise = Array.from({ length: 20 + random(60) }, () => crypto.getRandomValues(new Uint8Array(65_536)));
    const node = await treeNode(store, {
      large: concatBytes(noise),
      text: letter.repeat(1000),
      sub: { small: letter },
    });
    await register(store, letter, random(5) === 0 ? await fileNode(store, concatBytes(noise)) : node, before);
    before = letter;
  }
  return { store, top: new StorePath(before.repeat(32), `name-${before}`) };
}

/** A server behind an address that stays, whoever serves behind it. */
class Killed implements AsyncDisposable {
  readonly #hostDir: string;
  readonly #sockets = new Set<Socket>();
  readonly #relay = createRelay((socket) => void this.#join(socket));
  #child: ChildProcess | undefined;
  #port: Promise<number> | undefined;
  #run = 0;
  #url = "";

  constructor(hostDir: string) {
    this.#hostDir = hostDir;
    mkdirSync(hostDir);
  }

  get url(): string {
    return this.#url;
  }

  /** Begins with an empty store. */
  async reset(): Promise<void> {
    if (this.#url === "") {
      await new Promise<void>((resolve) => this.#relay.listen(0, "127.0.0.1", resolve));
      this.#url = `http://127.0.0.1:${(this.#relay.address() as AddressInfo).port}`;
    }
    this.#run++;
    await this.kill();
  }

  /** Ends the server as a power cut does, and starts another one on the same store. */
  async kill(): Promise<void> {
    await this.#end();
    const args = [...process.execArgv, import.meta.filename, "serve", this.#store];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    this.#child = child;
    this.#port = new Promise((resolve) => child.stdout.once("data", (text) => resolve(Number(text))));
    await this.#port;
  }

  /** Cuts all connections and leaves the server alone. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** All that is registered is what the source has, and all of it is registered; yields how many paths that are. */
  async checkAll(source: StoreServices): Promise<number> {
    await this.#end();
    await using store = await openLocalStore(this.#store);
    let count = 0;
    for await (const info of store.pathInfos.list()) {
      await checkNar(info, store);
      assert.deepEqual(info.narSha256, (await source.pathInfos.get(info.path.hashPart))?.narSha256);
      count++;
    }
    assert.equal(count, PATHS.length);
    await store.close();
    await this.kill();
    return count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
    await new Promise((resolve) => this.#relay.close(resolve));
  }

  get #store(): string {
    return join(this.#hostDir, String(this.#run));
  }

  async #end(): Promise<void> {
    const child = this.#child;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once("close", resolve));
      child.kill("SIGKILL");
      await ended;
    }
    this.cut();
  }

  async #join(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket)).on("error", () => undefined);
    const inner = connect((await this.#port) as number, "127.0.0.1");
    inner.on("error", () => socket.destroy()).on("close", () => socket.destroy());
    socket.on("close", () => inner.destroy());
    socket.pipe(inner).pipe(socket);
  }
}

if (process.argv[2] === "serve") await serve(process.argv[3]);
else await torture(Number(process.argv[2] ?? 50), Number(process.argv[3] ?? Date.now() >>> 0));
