/*
Copies from Debian's Nix daemon are broken in the middle: the client is killed, or the daemon's connections are cut. The copy is made again until it ends; then all
is verified and compared with what Nix says. No path that was registered may be gone, and none that is registered may come again. By hand:
`npm run slow:daemon-pulls [-- BREAKS [SEED]]`.
*/

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { openLocalStore } from "@firn/backend-local";
import { Mutator } from "../../nix-compat/test/mutator.ts";
import { startNixDaemon } from "./daemon.ts";
import { makeFirn } from "./firn.ts";
import { layTools, WITH_TOOLS } from "./nix-peer.ts";

const [BREAKS = 50, SEED = Date.now() >>> 0] = process.argv.slice(2).map(Number);
const PATHS = 24;
const DATA_BYTES = 6_000_000;
/** What comes beside NARs: answers to questions, and half a path on each connection when it ends. */
const BESIDE_BYTES = 200_000;
const MAIN = join(import.meta.dirname, "..", "src", "main.ts");
process.stdout.write(`${BREAKS} breaks, seed ${SEED}\n`);
const { random } = new Mutator(SEED);
const ends: (() => void)[] = [];
const firn = makeFirn({ after: (end) => ends.push(end) });
const { directory } = firn;
const nix = await startNixDaemon(directory);

async function said(program: string, ...args: string[]): Promise<string> {
  const { code, out, err } = await nix.run(program, ...args);
  assert.equal(code, 0, err);
  return out.trim();
}

/** Stands between daemon and clients, counts what comes, and can cut all connections. */
const wire = { path: join(directory, "wire.sock"), bytes: 0, open: new Set<Socket>() };
const server = createServer((client) => {
  const daemon = connect(nix.socket);
  daemon.on("data", (chunk: Buffer) => (wire.bytes += chunk.length));
  for (const socket of [client, daemon]) {
    wire.open.add(socket);
    socket.on("error", () => {}).on("close", () => wire.open.delete(socket));
  }
  client.pipe(daemon).pipe(client);
  client.on("close", () => daemon.destroy());
  daemon.on("close", () => client.destroy());
});
server.listen(wire.path);
await once(server, "listening");

layTools(directory);
const text = `${WITH_TOOLS} let
  step = n: if n == 0 then "end" else sh "step-\${toString n}" "$b mkdir $out; echo \${step (n - 1)} > $out/before; $b head -c ${DATA_BYTES} /dev/urandom > $out/data" { };
in step ${PATHS}`;
writeFileSync(join(directory, "chain.nix"), text);
const top = await said("nix-build", "chain.nix", "--no-out-link");
const closure = (await said("nix-store", "-qR", top)).split("\n");
const hashes = (await said("nix-store", "-q", "--hash", ...closure)).split("\n");

let [breaks, wholes] = [0, 0];
const by = { kill: 0, cut: 0 };
while (breaks < BREAKS) {
  const round = join(directory, `round-${wholes}`);
  mkdirSync(round);
  const env = { PATH: process.env.PATH, HOME: round, FIRN_HOME: round };
  let there = new Set<string>();
  for (let isWhole = false; !isWhole; ) {
    wire.bytes = 0;
    const args = ["--disable-warning=ExperimentalWarning", MAIN, "store", "copy", "--from", `daemon:${wire.path}`, top];
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "ignore", "pipe"] });
    let err = "";
    child.stderr.setEncoding("utf8").on("data", (words: string) => (err += words));
    const how = random(2) === 0 ? "kill" : "cut";
    // From the first bytes on, so that it is the copy that breaks.
    const after = random(DATA_BYTES * PATHS);
    let isBroken = false;
    const timer = setInterval(() => {
      if (breaks >= BREAKS || wire.bytes <= after) return;
      isBroken = true;
      if (how === "kill") child.kill("SIGKILL");
      else for (const socket of wire.open) socket.destroy();
      clearInterval(timer);
    }, 2);
    const [code] = (await once(child, "close")) as [number | null];
    clearInterval(timer);
    isWhole = code === 0;
    if (!isWhole) {
      assert.ok(isBroken, `the copy fails though nothing broke: ${err}`);
      breaks++;
      by[how]++;
    }
    await using store = await openLocalStore(join(round, "store"));
    const now = new Set<string>();
    for await (const { path } of store.pathInfos.list()) now.add(path.absolute());
    for (const path of there) assert.ok(now.has(path), `${path} is gone`);
    const lacked = closure.length - there.size;
    assert.ok(wire.bytes <= lacked * (DATA_BYTES + 10_000) + BESIDE_BYTES, `${wire.bytes} bytes for ${lacked} paths`);
    there = now;
    assert.ok(!isWhole || closure.every((path) => now.has(path)));
  }
  const verified = await firn.run(["store", "verify", "--nar"], { env });
  assert.equal(verified.code, 0, verified.out + verified.err);
  const infos = JSON.parse((await firn.run(["store", "path-info", "--json", ...closure], { env })).out);
  const found = [];
  for (const { narHash } of infos) found.push(await said("nix", "hash", "to-base32", "--type", "sha256", narHash));
  assert.deepEqual(
    found,
    hashes.map((hash) => hash.slice("sha256:".length)),
  );
  rmSync(round, { recursive: true, force: true });
  wholes++;
  process.stdout.write(`${by.kill} kills, ${by.cut} cuts, ${wholes} whole copies, nothing lost, nothing twice\n`);
}
server.close();
await nix.stop();
for (const end of ends) end();
