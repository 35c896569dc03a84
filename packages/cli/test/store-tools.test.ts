/* The tools on whole stores and closures, from end to end: copy, export, import, sign, path-info, diff, why-depends, du, and --store. */

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { makeFirn } from "./firn.ts";

const DERIVATIONS = `let make = name: script: derivation {
  inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" script ];
}; low = make "low" "echo low > $out"; in make "high" "echo needs \${low} > $out"`;

describe("tools of the store", () => {
  const firn = makeFirn({ after });
  const firnLine = async (...args: string[]) => {
    const { code, out, err } = await firn.run(args);
    assert.equal(code, 0, err);
    return out.trimEnd();
  };
  const at = (...names: string[]) => join(firn.directory, ...names);
  let one: string;
  let two: string;
  let high: string;

  before(async () => {
    for (const name of ["one", "two"]) {
      mkdirSync(at(name));
      writeFileSync(at(name, "same"), "same");
      writeFileSync(at(name, "big"), Buffer.alloc(800_000, 7));
    }
    writeFileSync(at("two", "big"), Buffer.alloc(800_000, 7).fill(8, 500_000, 500_003));
    writeFileSync(at("one", "gone"), "x");
    writeFileSync(at("high.nix"), DERIVATIONS);
    one = await firnLine("store", "add", "one");
    two = await firnLine("store", "add", "two");
    high = await firnLine("build", "--no-link", "high.nix");
  });

  test("path-info lists closures with sizes, for people and for scripts", async () => {
    const rows = JSON.parse(await firnLine("store", "path-info", "-rS", "--json", high));
    assert.equal(rows.length, 2);
    assert.match(rows[0].path, /-low$/);
    assert.deepEqual(rows[1].references, [rows[0].path]);
    assert.equal(rows[1].closureSize, rows[0].narSize + rows[1].narSize);
    assert.match(rows[0].deriver, /-low\.drv$/);
    assert.equal(await firnLine("store", "path-info", high), high);
    assert.match(await firnLine("store", "path-info", "-rsSh", high), /-low +\d+ B +\d+ B\n.*-high +\d+ B +\d+ B$/);
  });

  test("a copy to objects and back through sqlite renders the same NAR", async () => {
    const copied = await firnLine("store", "copy", "--to", "objects:obj", high, one);
    assert.equal(copied.split("\n").length, 3);
    assert.deepEqual(
      readdirSync(at("obj"))
        .filter((name) => !/^\.|sqlite/.test(name))
        .sort(),
      ["blobs", "chunks", "dirs"],
    );
    await firnLine("store", "copy", "--from", "objects:obj", "--to", "sqlite:all.sqlite", "--all");
    await firnLine("store", "copy", "--from", "sqlite:all.sqlite", "--to", "local:other", one);
    const expected = (await firn.run(["store", "dump", one])).stdout;
    for (const store of ["objects:obj", "sqlite:all.sqlite", "local:other"]) {
      assert.ok((await firn.run(["store", "dump", "--store", store, one])).stdout.equals(expected), store);
    }
    const again = JSON.parse(await firnLine("store", "copy", "--to", "objects:obj", "--json", high, one));
    assert.deepEqual(again, { copied: [], realisations: 0, bytes: 0, bytesSpared: 0 });
  });

  test("an archive goes through a pipe or a file and is taken in again", async () => {
    await firnLine("store", "export", "-o", "high.firn", high);
    assert.deepEqual(
      readdirSync(firn.directory).filter((name) => name.endsWith(".tmp")),
      [],
    );
    assert.equal(
      (await firnLine("store", "import", "--store", "sqlite:imported.sqlite", "high.firn")).split("\n").at(-1),
      high,
    );
    const piped = await firn.run(["store", "export", high]);
    assert.ok(piped.stdout.equals(readFileSync(at("high.firn"))));
    const taken = await firn.run(["store", "import", "--store", "memory:", "--json"], { stdin: piped.stdout });
    assert.equal(JSON.parse(taken.out).length, 2);
    const cut = await firn.run(["store", "import", "--store", "sqlite:cut.sqlite"], {
      stdin: piped.stdout.subarray(0, -9),
    });
    assert.equal(cut.code, 1);
    assert.match(cut.err, /^error: the archive ends at byte \d+, in the middle/);
  });

  test("a key signs in both ways, and an import asks for it", async () => {
    writeFileSync(at("secret"), await firnLine("key", "generate", "example-1"));
    const publicKey = await firnLine("key", "public", "secret");
    assert.match(publicKey, /^example-1:[A-Za-z0-9+/]{43}=$/);
    const unsigned = await firn.run(["store", "export", high]);
    const refused = await firn.run(["store", "import", "--store", "memory:", "--trusted-key", publicKey], {
      stdin: unsigned.stdout,
    });
    assert.match(refused.err, /^error: no trusted key signed/);
    const rows = JSON.parse(await firnLine("store", "sign", "-r", "-k", "secret", "--json", high));
    assert.deepEqual(
      rows.map(({ signatures }: { signatures: number }) => signatures),
      [2, 2],
    );
    const [info] = JSON.parse(await firnLine("store", "path-info", "--json", high));
    assert.match(info.signatures[0], /^example-1:/);
    assert.match(info.firnSignatures[0], /^example-1:/);
    const signed = await firn.run(["store", "export", high]);
    const taken = await firn.run(["store", "import", "--store", "memory:", "--trusted-key", publicKey], {
      stdin: signed.stdout,
    });
    assert.equal(taken.code, 0, taken.err);
  });

  test("diff shows what differs down to the bytes, and says so with its exit code", async () => {
    const { code, out } = await firn.run(["store", "diff", one, two]);
    assert.equal(code, 1);
    assert.equal(
      out,
      "~ big (file of 800000 bytes -> file of 800000 bytes)\n    bytes 500000 to 500003\n- gone (file of 1 bytes)\n",
    );
    assert.equal(await firnLine("store", "diff", "--json", one, one), "[]");
    const json = JSON.parse((await firn.run(["store", "diff", "--json", `${one}/big`, `${two}/big`])).out);
    assert.deepEqual(json[0].ranges, [{ left: { from: 500_000, to: 500_003 }, right: { from: 500_000, to: 500_003 } }]);
  });

  test("why-depends names the file and what stands in it", async () => {
    const [low] = (await firnLine("store", "path-info", "-r", high)).split("\n");
    const text = await firnLine("store", "why-depends", high, low);
    assert.equal(text, `${high}\n  the file itself: ...needs ${low}....\n└── ${low}`);
    const not = await firn.run(["store", "why-depends", low, high]);
    assert.deepEqual([not.code, not.out], [1, ""]);
    assert.match(not.err, /does not depend on/);
    assert.equal((await firn.run(["store", "why-depends", "--json", low, high])).out, "null\n");
  });

  test("du counts equal contents once", async () => {
    const { paths, total } = JSON.parse(await firnLine("store", "du", "--json", one, two));
    assert.deepEqual(
      paths.map(({ logicalBytes, files }: { logicalBytes: number; files: number }) => [logicalBytes, files]),
      [
        [800_005, 3],
        [800_004, 2],
      ],
    );
    assert.equal(total.logicalBytes, 1_600_009);
    assert.equal(total.uniqueBytes, 1_600_005);
    assert.ok(total.chunkBytes <= total.uniqueBytes);
    assert.match(await firnLine("store", "du", "-h"), /all \d+ paths$/);
  });

  test("a composition in a file is a store, and what is wrong with one is said", async () => {
    await firnLine("store", "copy", "--to", "objects:far", one);
    const far = at("far");
    const toml = `
[blobservices.root]
type = "cache"
near = "near"
far = "objectstore+file://${far}"
[blobservices.near]
type = "sqlite"
path = "near.sqlite"
[directoryservices.root]
type = "cache"
near = "sqlite:near.sqlite"
far = "objectstore+file://${far}"
[pathinfoservices.root]
type = "sqlite"
path = "far/path-infos.sqlite"
`;
    writeFileSync(at("store.toml"), toml);
    assert.equal(await firnLine("store", "cat", "--store", "store.toml", `${one}/same`), "same");
    const bad: [string, RegExp][] = [
      [
        toml.replace('far = "obj', 'fra = "obj'),
        /blobservices\.root: 'fra' is not a field of 'cache'\. Did you mean far\?/,
      ],
      [toml.replace('near = "near"', 'near = "root"'), /needs itself: blobservices\.root -> blobservices\.root/],
      [toml.replace("objectstore+file", "objectstore+s3"), /object stores are directories here/],
      ["[blobservices", /cannot be read as a composition/],
    ];
    for (const [text, message] of bad) {
      writeFileSync(at("bad.toml"), text);
      const { code, err } = await firn.run(["store", "ls", "--store", "bad.toml", one]);
      assert.equal(code, 1);
      assert.match(err, message);
    }
  });

  const refused: [string[], number, RegExp][] = [
    [
      ["store", "ls", "--store", "http://x", "/nix/store/x"],
      2,
      /^error: 'http:\/\/x' does not say .*\(grpc\+http:\/\/x\)/,
    ],
    [["store", "ls", "--store", "gopher:x", "/nix/store/x"], 2, /'gopher:x' is no store: expected local:DIR/],
    [["store", "ls", "--store", "sqlite:", "/nix/store/x"], 2, /lacks a place/],
    [["build", "--store", "sqlite:x", "high.nix"], 2, /needs Firn's own store/],
    [["store", "copy", "x"], 2, /say --from STORE, --to STORE, or both/],
    [["store", "copy", "--to", "memory:"], 2, /name paths, or say --all/],
    [["store", "sign", "-k", "absent", "x"], 1, /the key file 'absent' cannot be read/],
    [["store", "sign", "-k", "high.nix", "x"], 1, /holds no secret key/],
    [["store", "import", "one"], 1, /is a directory/],
    [["store", "import", "high.nix", "--store", "memory:"], 1, /not an archive of a closure/],
    [["key", "generate", "a b"], 1, /is no name of a key/],
    [["store", "path-info", "/nix/store/00000000000000000000000000000000-x"], 1, /is not in the store local:/],
  ];
  for (const [line, code, said] of refused) {
    test(`firn ${line.join(" ")} is refused`, async () => {
      const ended = await firn.run(line);
      assert.equal(ended.code, code, ended.err);
      assert.match(ended.err, said);
      assert.equal(ended.out, "");
    });
  }

  test("a build goes into the local store that is named", async () => {
    const path = await firnLine("build", "--no-link", "--store", "local:third", "high.nix");
    assert.equal(path, high);
    assert.equal(await firnLine("store", "path-info", "--store", "local:third", high), high);
  });
});
