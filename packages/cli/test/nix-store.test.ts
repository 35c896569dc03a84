/* compat/bin's nix-store and nix-hash without a process, Debian's being the judge of what they print. */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { need } from "../../../dev/need.ts";
import { runNixHash } from "../src/compat/nix-hash.ts";
import { runNixStore } from "../src/compat/nix-store.ts";
import { endOf } from "../src/compat/usage-error.ts";
import { fakeSession } from "./fake-session.ts";

type Ended = { readonly code: number; readonly out: Buffer; readonly err: string };

const directory = mkdtempSync(join(tmpdir(), "firn-nix-store-"));
after(() => rmSync(directory, { recursive: true }));
mkdirSync(join(directory, "etc"));

async function run(program: "nix-store" | "nix-hash", argv: readonly string[], stdin?: Uint8Array): Promise<Ended> {
  const env = { NIX_CONF_DIR: join(directory, "etc"), NIX_USER_CONF_FILES: "" };
  const { session, stdout, stderr } = fakeSession(directory, { env, stdin });
  let code = 0;
  try {
    if (program === "nix-store") code = await runNixStore(argv, env, session);
    else await runNixHash(argv, env, session);
  } catch (thrown) {
    const ending = endOf(program, thrown, false);
    code = ending.exitCode;
    await session.output.note(ending.text ?? "");
  } finally {
    await session.close();
  }
  return { code, out: stdout.bytes(), err: stderr.text() };
}

async function store(...argv: readonly string[]): Promise<string> {
  const { code, out, err } = await run("nix-store", argv);
  assert.equal(code, 0, err);
  return out.toString("latin1");
}

/** Debian's program over a store of its own. */
function nix(program: string, argv: readonly string[], input?: Uint8Array): Buffer {
  const env = { ...process.env, NIX_REMOTE: `local?root=${join(directory, "nix")}`, NIX_PAGER: "" };
  return execFileSync(program, argv, {
    env,
    input,
    cwd: directory,
    maxBuffer: 1 << 26,
    stdio: ["pipe", "pipe", "pipe"],
  });
}

function makeTree(path: string): void {
  mkdirSync(join(path, "a b", "empty"), { recursive: true });
  writeFileSync(join(path, "plain"), "plain\n");
  writeFileSync(join(path, "none"), "");
  writeFileSync(join(path, "run me"), "#!/bin/sh\n");
  chmodSync(join(path, "run me"), 0o755);
  writeFileSync(join(path, "big"), Buffer.alloc(700_001, 7));
  symlinkSync("../nowhere", join(path, "link"));
  writeFileSync(Buffer.concat([Buffer.from(`${path}/`), Buffer.from([0x66, 0xff])]), "no utf-8");
}
makeTree(join(directory, "tree"));

/** What 2.35 prints where 2.8 printed something else. */
function renewed(text: string): string {
  return text.replace("attr.type='int'", "attr.type='long'").replace("''-c' 'it'\\''s''", "'-c it'\\''s'");
}

/** Derivations that refer to each other and to sources, and text that refers to text. */
const EXPRESSION = `
let
  drv = name: more: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "it's" ]; } // more);
  text = builtins.toFile "text" "plain";
  more = builtins.toFile "more" "refers to \${text}";
  leaf = drv "leaf" { src = text; outputs = [ "out" "dev" ]; };
  middle = drv "middle" { inherit leaf; src = more; quoted = "it's"; };
  fixed = drv "fixed" { outputHash = "sha256:1111111111111111111111111111111111111111111111111111"; outputHashMode = "flat"; };
in drv "top" { inherit leaf middle fixed; src = ./tree; }
`;

describe("nix-store", need("nix-store"), () => {
  let top: string;
  let all: readonly string[];
  let text: string;
  let leaf: string;

  before(async () => {
    writeFileSync(join(directory, "default.nix"), EXPRESSION);
    top = nix("nix-instantiate", ["default.nix"]).toString().trim();
    all = nix("nix-store", ["-qR", top]).toString().trim().split("\n");
    text = all.find((path) => path.endsWith("-text")) as string;
    leaf = all.find((path) => path.endsWith("-leaf.drv")) as string;
    const exported = nix("nix-store", ["--export", ...all]);
    const { code, out, err } = await run("nix-store", ["--import"], exported);
    assert.equal(code, 0, err);
    assert.equal(out.toString(), nix("nix-store", ["--import"], exported).toString());
  });

  const questions: readonly string[][] = [
    ["--references", "TOP"],
    ["--requisites", "TOP"],
    ["-qR", "LEAF", "TEXT"],
    ["--referrers", "TEXT"],
    ["--referrers-closure", "TEXT"],
    ["--deriver", "TOP", "TEXT"],
    ["--outputs", "LEAF", "TEXT"],
    ["LEAF"],
    ["--tree", "TOP"],
    ["--graph", "TOP"],
    ["--graphml", "TOP"],
    ["--hash", "TOP", "TEXT"],
    ["--size", "TOP", "TEXT"],
    ["--binding", "name", "TOP"],
    ["--resolve", "TOP"],
    ["--roots", "TOP"],
    ["--use-output", "--resolve", "LEAF"],
  ];
  for (const question of questions) {
    test(`--query ${question.join(" ")} prints what Nix does`, async () => {
      const words = question.map((word) => ({ TOP: top, TEXT: text, LEAF: leaf })[word] ?? word);
      const argv = question[0].startsWith("-q") ? words : ["--query", ...words];
      assert.equal(await store(...argv), renewed(nix("nix-store", argv).toString("latin1")));
    });
  }

  test("--valid-derivers finds what would build a path", async () => {
    const [output] = (await store("-q", "--outputs", leaf)).split("\n");
    assert.equal(await store("-q", "--valid-derivers", output), `${leaf}\n`);
  });

  for (const operation of ["--dump-db", "--check-validity", "--verify-path", "--print-env"]) {
    test(`${operation} prints what Nix does`, async () => {
      const argv = [operation, leaf];
      assert.equal(await store(...argv), renewed(nix("nix-store", argv).toString("latin1")));
    });
  }

  test("--dump-db of everything is in Nix's order", async () => {
    assert.equal(await store("--dump-db"), nix("nix-store", ["--dump-db"]).toString());
  });

  test("--export is byte for byte Nix's, and Nix imports it", async () => {
    const { out } = await run("nix-store", ["--export", ...all]);
    assert.equal(Buffer.compare(out, nix("nix-store", ["--export", ...all])), 0);
  });

  test("--dump of a path that only the store has is Nix's", async () => {
    const { out } = await run("nix-store", ["--dump", top]);
    assert.equal(Buffer.compare(out, nix("nix-store", ["--dump", join(directory, "nix", top)])), 0);
  });

  for (const argv of [
    ["--add", "tree"],
    ["--add", "tree/plain", "tree/big"],
    ["--add-fixed", "sha256", "tree/plain"],
    ["--add-fixed", "sha1", "tree/plain"],
    ["--add-fixed", "--recursive", "sha256", "tree"],
    ["--add-fixed", "--recursive", "md5", "tree"],
    ["--print-fixed-path", "sha256", "1".repeat(52), "name"],
    ["--print-fixed-path", "--recursive", "sha1", "0".repeat(40), "name"],
  ]) {
    test(`${argv.join(" ")} computes Nix's path`, async () => {
      const { out, err } = await run("nix-store", argv);
      assert.equal(out.toString(), nix("nix-store", argv).toString(), err);
    });
  }

  test("--dump and --restore take a host's tree as Nix does", async () => {
    const { out } = await run("nix-store", ["--dump", "tree"]);
    assert.equal(Buffer.compare(out, nix("nix-store", ["--dump", "tree"])), 0);
    assert.equal((await run("nix-store", ["--restore", "again"], out)).code, 0);
    assert.equal(Buffer.compare(nix("nix-store", ["--dump", "again"]), out), 0);
    assert.match((await run("nix-store", ["--restore", "again"], out)).err, /EEXIST/);
  });

  test("--load-db registers what is in the store with what is said of it, and refuses another hash", async () => {
    const lines = (await store("--dump-db", text)).split("\n");
    assert.equal((await run("nix-store", ["--load-db"], Buffer.from(lines.join("\n")))).code, 0);
    lines[1] = "0".repeat(64);
    assert.match((await run("nix-store", ["--load-db"], Buffer.from(lines.join("\n")))).err, /has the NAR hash/);
    assert.match((await run("nix-store", ["--load-db"], Buffer.from(`${text}\n`))).err, /has wrong length/);
  });

  test("--add-root makes a link that is a root and leads to the path", async () => {
    assert.equal(await store("--realise", "--add-root", "held", text), `${join(directory, "held")}\n`);
    assert.equal(readlinkSync(join(directory, "held")), text);
    assert.equal(await store("-q", "--roots", text), `${join(directory, "held")} -> ${text}\n`);
    assert.equal(await store("-q", "--hash", "held"), await store("-q", "--hash", text));
  });

  test("--realise --dry-run says what would be built", async () => {
    const { code, out, err } = await run("nix-store", ["--realise", "--dry-run", top]);
    assert.deepEqual([code, out.length], [0, 0]);
    assert.match(err, /^these 4 derivations will be built:\n {2}\/nix\/store\//);
    assert(err.endsWith(`  ${top}\n`));
  });

  test("--gc prints and deletes what Nix does", async () => {
    const held = `${text}\n`;
    assert.equal(await store("--gc", "--print-roots"), `${join(directory, "held")} -> ${held}`);
    assert.equal(await store("--gc", "--print-live"), held);
    const dead = await store("--gc", "--print-dead");
    const known = await store("--dump-db");
    assert.deepEqual(
      dead.trim().split("\n").length,
      known.split("\n").filter((line) => /^[0-9a-f]{64}$/.test(line)).length - 1,
    );
    const more = (await store("--add", "tree/plain")).trim();
    assert.match(
      (await run("nix-store", ["--delete", text])).err,
      /^error: Cannot delete path '.*-text' since it is still alive\./,
    );
    assert.match(await store("--delete", more), /^1 store paths deleted, \d+\.\d KiB freed\n$/);
    assert.match(
      (await run("nix-store", ["--delete", "--ignore-liveness", leaf])).err,
      /still alive/,
      "something refers to it",
    );
    const again = (await store("--add", "tree/plain")).trim();
    await store("--realise", "--add-root", "again-held", again);
    assert.match((await run("nix-store", ["--delete", again])).err, /still alive/);
    assert.match(await store("--delete", "--ignore-liveness", again), /^1 store paths deleted/);
    assert.equal(await store("--verify", "--check-contents"), "");
  });

  const absent = "/nix/store/00000000000000000000000000000000-x";
  const failing: readonly string[][] = [
    ["-q", "--references", absent],
    ["-q", "--hash", absent],
    ["-q", "--frobnicate", absent],
    ["-q", "--hash", "--size", absent],
    ["-q", "--references", "/etc/passwd"],
    ["--check-validity", absent],
    ["--verify-path", absent],
    [],
    ["--frobnicate"],
    ["-q", "--gc"],
  ];
  for (const argv of failing) {
    test(`nix-store ${argv.join(" ")} fails in Nix's words`, async () => {
      const env = { ...process.env, NIX_REMOTE: `local?root=${join(directory, "nix")}` };
      const expected = spawnSync("nix-store", argv, { env, encoding: "utf8", cwd: directory });
      const { code, err } = await run("nix-store", argv);
      assert.deepEqual({ code, err }, { code: expected.status, err: expected.stderr });
    });
  }

  test("what Firn's store has no need of, or cannot do, is said with the reason", async () => {
    assert.match(
      (await run("nix-store", ["--optimise"])).err,
      /^what is equal is stored once .*: there is nothing to do\n$/,
    );
    for (const [operation, reason] of [
      ["--repair-path", /not supported by Firn: `firn store verify --repair-from STORE` mends/],
      ["--read-log", /^error: build log of derivation '.*-leaf\.drv' is not available\n$/],
    ] as const) {
      const { code, err } = await run("nix-store", [operation, leaf]);
      assert.equal(code, 1);
      assert.match(err, reason);
    }
  });

  test("--check-validity --print-invalid prints what is not there and succeeds", async () => {
    assert.equal(await store("--check-validity", "--print-invalid", absent, text), `${absent}\n`);
  });

  test("--generate-binary-cache-key writes a pair that Nix signs with", async () => {
    await store("--generate-binary-cache-key", "cache.example-1", "secret", "public");
    nix("nix", ["--extra-experimental-features", "nix-command", "store", "sign", "-k", "secret", text]);
    const json = nix("nix", ["--extra-experimental-features", "nix-command", "path-info", "--json", text]).toString();
    assert.match(json, /cache\.example-1:/);
    assert.match(readFileSync(join(directory, "public"), "utf8"), /^cache\.example-1:[\w+/]{43}=$/);
  });

  test("--gc empties the store of what nothing holds", async () => {
    rmSync(join(directory, "held"));
    const { out, err } = await run("nix-store", ["--gc"]);
    assert.match(out.toString(), /^\d+ store paths deleted, \d+\.\d [KM]iB freed\n$/);
    assert(err.includes(`deleting '${top}'\n`));
    assert.equal(await store("--dump-db"), "");
  });

  test("an import that is cut registers what came whole and says so", async () => {
    const exported = nix("nix-store", ["--export", ...all]);
    const { code, err } = await run("nix-store", ["--import"], exported.subarray(0, exported.length - 9));
    assert.equal(code, 1);
    assert.match(err, /ends in the middle/);
  });
});

describe("nix-hash", need("nix-hash"), () => {
  const sha256 = "8b65c1b9b8fd4d6a1d0b6b2e63ee7bd9d3e6d24a8f8c1b9b9f9f0c1f2a3b4c5d";
  for (const argv of [
    ["tree"],
    ["tree/plain", "tree/run me", "tree/link"],
    ["--flat", "tree/plain"],
    ["--type", "sha256", "--base32", "tree"],
    ["--type", "sha512", "--base32", "--truncate", "tree"],
    ["--type", "sha1", "--flat", "tree/big"],
    ["--to-base32", "--type", "sha256", sha256],
    ["--to-base16", "--type", "sha256", sha256],
  ]) {
    test(`${argv.join(" ")} prints what Nix does`, async () => {
      const { out, err } = await run("nix-hash", argv);
      assert.equal(out.toString(), nix("nix-hash", argv).toString(), err);
    });
  }

  test("SRI and base 64 name the same digest", async () => {
    const sri = (await run("nix-hash", ["--to-sri", "--type", "sha256", sha256])).out.toString().trim();
    assert.match(sri, /^sha256-[\w+/]{43}=$/);
    assert.equal((await run("nix-hash", ["--to-base16", sri])).out.toString(), `${sha256}\n`);
    const base64 = (await run("nix-hash", ["--to-base64", sri])).out.toString().trim();
    assert.equal(`sha256-${base64}`, sri);
  });

  test("wrong usage ends with 1 and a hint", async () => {
    const { code, err } = await run("nix-hash", ["--type", "crc", "tree"]);
    assert.equal(code, 1);
    assert.match(err, /^error: unknown hash algorithm 'crc', expect 'blake3', .*\nTry 'nix-hash --help'/);
    assert.match((await run("nix-hash", ["absent"])).err, /^error: path '.*\/absent' does not exist\n$/);
  });
});
