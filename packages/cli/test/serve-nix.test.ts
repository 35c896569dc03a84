/* `firn serve` as Debian's Nix meets it: a closure that was built here, its log, a copy back, and what Nix's own store says of it. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { missing, need, onPath } from "../../../dev/need.ts";
import { nixSandbox } from "../../nix-compat/test/nix.ts";
import { type Firn, makeFirn } from "./firn.ts";
import { layTools, nixPeer, WITH_TOOLS } from "./nix-peer.ts";

const tools = onPath("bwrap") === undefined ? missing("no bwrap on PATH") : need("nix-store");
const MAIN = join(import.meta.dirname, "..", "src", "main.ts");
const EXPRESSION = `let
  make = name: script: derivation { inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" script ]; };
in make "top" "echo said while building; read x <\${make "below" "echo hello >$out"}; echo $x from \${make "below" "echo hello >$out"} >$out"`;

/** A server in a process of its own, as users have it. */
async function serve(
  t: { readonly after: (action: () => Promise<void>) => void },
  firn: Firn,
  ...flags: string[]
): Promise<string> {
  const env = { PATH: process.env.PATH, HOME: firn.directory, FIRN_HOME: join(firn.directory, "state") };
  const args = ["--disable-warning=ExperimentalWarning", MAIN, "serve", "--json", "--listen", "127.0.0.1:0", ...flags];
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  t.after(async () => {
    const ended = once(child, "close");
    child.kill("SIGINT");
    await ended;
  });
  const [line] = (await Promise.race([once(child.stdout, "data"), once(child, "close")])) as [Buffer];
  return (JSON.parse(line.toString()) as { url: string }).url;
}

test("Nix substitutes what was built here, shows its log, and gives it to another store of ours", tools, async (t) => {
  const firn = makeFirn(t);
  const built = await firn.run(["build", "--no-link", "--json", "--expr", EXPRESSION]);
  assert.equal(built.code, 0, built.err);
  const [{ drvPath, outputs }] = JSON.parse(built.out) as [{ drvPath: string; outputs: { out: string } }];
  const secret = (await firn.run(["key", "generate", "k-1"])).out;
  const keyFile = join(firn.directory, "key");
  writeFileSync(keyFile, secret);
  const key = (await firn.run(["key", "public", keyFile])).out.trim();
  const url = await serve(t, firn, "--sign", keyFile);

  const nix = nixSandbox();
  const settings = ["--option", "substituters", url, "--option", "trusted-public-keys", key];
  await nix.runBeside("nix-store", ["-r", outputs.out, ...settings]);
  assert.equal(nix.run("nix-store", ["-qR", outputs.out]).toString().trim().split("\n").length, 2);
  await nix.runBeside("nix", ["copy", "--derivation", "--from", url, drvPath]);
  const log = await nix.runBeside("nix", ["log", drvPath, ...settings]);
  assert.equal(log.toString(), "said while building\n");
  const ours = (await firn.run(["store", "dump", outputs.out])).stdout;
  assert.deepEqual(nix.run("nix-store", ["--dump", join(nix.root, outputs.out)]), ours);

  const other = makeFirn(t);
  const otherUrl = await serve(t, other);
  await nix.runBeside("nix", ["copy", "--to", otherUrl, outputs.out]);
  assert.equal((await fetch(`${otherUrl}/log/${drvPath.slice(11)}`, { method: "PUT", body: "brought\n" })).status, 200);
  assert.equal(await (await fetch(`${otherUrl}/log/${drvPath.slice(11)}`)).text(), "brought\n");
  const substituters = ["--substituters", otherUrl, "--trusted-public-keys", key];
  const third = makeFirn(t);
  const taken = await third.run(["build", "--no-link", "--expr", EXPRESSION, ...substituters]);
  assert.equal(taken.out.trim(), outputs.out, taken.err);
  assert.doesNotMatch(taken.err, /building '/);
});

test("what Nix's derivations came out as comes with them, and another Nix need not build them", tools, async (t) => {
  const firn = makeFirn(t);
  const { directory } = firn;
  layTools(directory);
  const file = join(directory, "packages.nix");
  writeFileSync(
    file,
    `${WITH_TOOLS} rec {
      floating = sh "floating" "$b mkdir $out; echo contents > $out/x; echo doc > $doc" (ca // { outputs = [ "out" "doc" ]; });
      top = sh "top" "echo \${floating} > $out" ca;
    }`,
  );
  const url = await serve(t, firn);
  const nix = nixPeer(directory);
  const drvPath = nix.run("nix-instantiate", file, "-A", "top");
  const out = nix.run("nix-build", file, "-A", "top", "--no-out-link");
  const [{ id }] = JSON.parse(nix.run("nix", "realisation", "info", "-f", file, "top", "--json")) as [{ id: string }];
  const copy = ["copy", "--no-check-sigs", "--to", url];
  assert.match(nix.fail("nix", ...copy, "-f", file, "top"), /HTTP error 400/);
  nix.run("nix", ...copy, "--derivation", drvPath);
  nix.run("nix", ...copy, "-f", file, "top");
  const answered = await (await fetch(`${url}/realisations/${id}.doi`)).json();
  assert.deepEqual(answered, {
    dependentRealisations: {},
    id,
    outPath: out.slice("/nix/store/".length),
    signatures: [],
  });
  const entry = await fetch(`${url}/build-trace-v2/${drvPath.slice("/nix/store/".length)}/out.doi`);
  assert.equal(((await entry.json()) as { outPath: string }).outPath, out.slice("/nix/store/".length));

  mkdirSync(join(directory, "other"));
  const other = nixPeer(join(directory, "other"));
  const settings = { substitute: "true", substituters: url, "require-sigs": "false", "max-jobs": "0" };
  const options = Object.entries(settings).flatMap(([name, value]) => ["--option", name, value]);
  assert.equal(other.run("nix-build", file, "-A", "top", "--no-out-link", ...options), out);
});
