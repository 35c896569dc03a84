/* firn store add of archives and of paths of a real Nix store: the same contents are the same path, and what is damaged is refused. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, chmodSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { need } from "../../../dev/need.ts";
import { makeFirn } from "./firn.ts";

describe("firn store add of archives", () => {
  const firn = makeFirn({ after });
  const at = (name: string) => join(firn.directory, name);
  let expected: string;

  before(async () => {
    mkdirSync(at("tree/deep/er"), { recursive: true });
    mkdirSync(at("tree/empty"));
    writeFileSync(at(`tree/deep/${"long name ".repeat(15)}`), "x");
    writeFileSync(at("tree/deep/er/program"), "#!/bin/sh\n");
    chmodSync(at("tree/deep/er/program"), 0o755);
    writeFileSync(at("tree/big"), Buffer.alloc(400_000, 3));
    execFileSync("ln", [at("tree/big"), at("tree/deep/hard")]);
    symlinkSync("deep/er", at("tree/link"));
    expected = (await firn.run(["store", "add", "tree"])).out;
  });

  for (const [format, file] of [
    ["--format=gnu", "tree.tar"],
    ["--format=pax", "tree.tar.gz"],
    ["--format=oldgnu", "tree.tgz"],
  ]) {
    test(`a tar archive (${format}, ${file}) gives the tree's own path`, async () => {
      const packed = file.endsWith("gz") ? ["-z"] : [];
      execFileSync("tar", [format, ...packed, "-C", at("tree"), "-cf", at(file), "."]);
      const { out, err } = await firn.run(["store", "add", "--tar", file]);
      assert.equal(out, expected, err);
      const piped = await firn.run(["store", "add", "--tar", "--name", "tree", "-"], { stdin: readFileSync(at(file)) });
      assert.equal(piped.out, expected, piped.err);
    });
  }

  test("a NAR gives the tree's own path, from a file and from standard input", async () => {
    const { stdout } = await firn.run(["store", "dump", expected.trim()]);
    writeFileSync(at("tree.nar"), stdout);
    assert.equal((await firn.run(["store", "add", "--nar", "tree.nar"])).out, expected);
    assert.equal((await firn.run(["store", "add", "--nar", "-n", "tree", "-"], { stdin: stdout })).out, expected);
  });

  const refused: readonly (readonly [string, readonly string[], RegExp, number])[] = [
    ["a cut NAR", ["--nar", "cut.nar"], /ends in the middle/, 1],
    ["something that is no archive", ["--tar", "noise"], /tar archive cannot be read/, 1],
    ["a sparse file in an archive", ["--tar", "sparse.tar"], /sparse file: write the archive without --sparse/, 1],
    ["a file that is not there", ["--tar", "absent.tar"], /'absent.tar' does not exist/, 1],
    ["two forms at once", ["--tar", "--nar", "x"], /exclude each other/, 2],
    ["standard input without a name", ["--nar", "-"], /give it one with --name/, 2],
    ["nothing", [], /a path is missing/, 2],
  ];
  for (const [what, argv, said, exitCode] of refused) {
    test(`${what} is refused, and nothing is registered`, async () => {
      writeFileSync(at("cut.nar"), (await firn.run(["store", "dump", expected.trim()])).stdout.subarray(0, 1000));
      writeFileSync(at("noise"), Buffer.alloc(2000, 7));
      execFileSync("truncate", ["-s", "1M", at("holes")]);
      execFileSync("tar", ["--sparse", "-C", firn.directory, "-cf", at("sparse.tar"), "holes"]);
      const { code, out, err } = await firn.run(["store", "add", ...argv]);
      assert.deepEqual([code, out], [exitCode, ""], err);
      assert.match(err, said);
    });
  }
});

describe("firn store add --from-nix", need("nix-store"), () => {
  const firn = makeFirn({ after });
  const root = join(firn.directory, "nix-root");
  const env = { ...process.env, NIX_REMOTE: `local?root=${root}` };
  const nix = (...argv: string[]) => execFileSync("nix-store", argv, { env, encoding: "utf8" }).trim();
  const from = ["store", "add", "--from-nix", join(root, "nix/store")];
  let top: string;

  before(() => {
    const expression = `
      let text = builtins.toFile "text" "plain"; more = builtins.toFile "more" "refers to \${text}";
      in derivation { name = "top"; system = "x86_64-linux"; builder = "/bin/sh"; inherit text more; }`;
    const argv = ["-E", expression];
    top = execFileSync("nix-instantiate", argv, { env, encoding: "utf8", stdio: "pipe" }).trim();
    execFileSync("nix-store", ["--generate-binary-cache-key", "test-1", "secret", "public"], { cwd: firn.directory });
    const sign = ["--extra-experimental-features", "nix-command", "store", "sign", "-k", "secret", "--all"];
    execFileSync("nix", sign, { env, cwd: firn.directory });
  });

  test("a closure comes with everything Nix knows of it", async () => {
    const { code, out, err } = await firn.run([...from, top]);
    assert.deepEqual([code, out], [0, `${top}\n`], err);
    const registered = (program: string, more: Readonly<Record<string, string>>) =>
      execFileSync(program, ["--dump-db"], { env: { ...process.env, ...more }, encoding: "utf8" });
    const ours = { FIRN_HOME: join(firn.directory, "state") };
    const compat = join(import.meta.dirname, "../../../compat/bin/nix-store");
    assert.equal(registered(compat, ours), registered("nix-store", env));
    assert.equal((await firn.run(["store", "cat", top])).out, readFileSync(root + top, "utf8"));
  });

  test("doing it again changes nothing, --all takes everything, a link of the host leads to its path", async () => {
    assert.equal((await firn.run([...from, top])).out, `${top}\n`);
    assert.equal((await firn.run([...from, "--all"])).out.trim().split("\n").length, 3);
    symlinkSync(root + top, join(firn.directory, "link"));
    assert.equal(readlinkSync(join(firn.directory, "link")), root + top);
    assert.equal((await firn.run([...from, "link"])).out, `${top}\n`);
  });

  test("a path that is damaged in the Nix store is refused, and so is one that is not valid there", async () => {
    const [text] = nix("-q", "--references", top).split("\n");
    chmodSync(root + text, 0o644);
    appendFileSync(root + text, "flip");
    const other = { env: { FIRN_HOME: join(firn.directory, "other") } };
    const { code, err } = await firn.run([...from, text], other);
    assert.equal(code, 1);
    assert.match(err, /is damaged in the Nix store: its NAR hash should be 'sha256:/);
    const absent = await firn.run([...from, "/nix/store/00000000000000000000000000000000-x"], other);
    assert.match(absent.err, /is not valid in the Nix store/);
    assert.match((await firn.run(["store", "add", "--from-nix", "/", top])).err, /there is no Nix database at/);
  });
});
