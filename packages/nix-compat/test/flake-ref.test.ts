import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type FlakeAttribute, parseFlakeRef, printFlakeRef } from "../src/flake-ref.ts";

const REV = "0123456789abcdef0123456789abcdef01234567";
const HASH = "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
const HASH_ENCODED = "sha256-ungWv48Bz%2BpBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0%3D";

/** What a reference says, and how it is written when it is not as it was given. */
const REFERENCES: readonly [text: string, attributes: Record<string, FlakeAttribute>, printed?: string][] = [
  ["nixpkgs", { type: "indirect", id: "nixpkgs" }, "flake:nixpkgs"],
  ["flake:nixpkgs/main", { type: "indirect", id: "nixpkgs", ref: "main" }],
  [`nixpkgs/${REV.toUpperCase()}`, { type: "indirect", id: "nixpkgs", rev: REV }, `flake:nixpkgs/${REV}`],
  [`flake:n/r/${REV}`, { type: "indirect", id: "n", ref: "r", rev: REV }],
  ["github:o/r", { type: "github", owner: "o", repo: "r" }],
  ["github:o/r/a/b?dir=x", { type: "github", owner: "o", repo: "r", ref: "a/b", dir: "x" }, "github:o/r/a%2Fb?dir=x"],
  [`gitlab:o/r/${REV}`, { type: "gitlab", owner: "o", repo: "r", rev: REV }],
  ["sourcehut:~o/r?host=h.org", { type: "sourcehut", owner: "~o", repo: "r", host: "h.org" }],
  [
    `github:o/r?ref=main&narHash=${HASH}`,
    { type: "github", owner: "o", repo: "r", ref: "main", narHash: HASH },
    `github:o/r/main?narHash=${HASH_ENCODED}`,
  ],
  ["/a/b", { type: "path", path: "/a/b" }, "path:/a/b"],
  ["path:./a", { type: "path", path: "./a" }],
  ["/a?lastModified=7", { type: "path", path: "/a", lastModified: 7 }, "path:/a?lastModified=7"],
  ["git+file:///a", { type: "git", url: "file:///a" }],
  ["git://h/r?ref=v1", { type: "git", url: "git://h/r", ref: "v1" }],
  ["git+ssh://g@h:22/r?shallow=1", { type: "git", url: "ssh://g@h:22/r", shallow: true }],
  [
    "git+https://h/r?x=1&submodules=0",
    { type: "git", url: "https://h/r?x=1", submodules: false },
    "git+https://h/r?x=1",
  ],
  [`hg+https://h/r?rev=${REV}`, { type: "hg", url: "https://h/r", rev: REV }],
  ["https://h/x.tar.gz?q=a b", { type: "tarball", url: "https://h/x.tar.gz?q=a%20b" }, "https://h/x.tar.gz?q=a%20b"],
  ["file+https://h/x", { type: "file", url: "https://h/x" }, "https://h/x"],
  ["tarball+file:///x", { type: "tarball", url: "file:///x" }, "file:///x"],
];

for (const [text, attributes, printed = text] of REFERENCES) {
  test(`${text} is taken apart and put together`, () => {
    const parsed = parseFlakeRef(text);
    assert.deepEqual(new Map([...parsed].sort()), new Map(Object.entries(attributes).sort()));
    assert.equal(printFlakeRef(parsed), printed);
  });
}

const REFUSED: readonly [text: string, message: RegExp][] = [
  ["./a", /'.\/a' is not an absolute path/],
  ["github:o", /is not an absolute path/],
  ["nixpkgs#x", /unexpected fragment 'x'/],
  ["git+https://h/r?ref=a..b", /is not an absolute path/],
  ["path://h/a", /should not have an authority/],
  ["path:/a?x=1", /unsupported parameter 'x'/],
  ["file+git://h/r", /did you mean 'git\+file'/],
  ["gopher://h/r", /is unsupported/],
  ["", /is not an absolute path/],
];

for (const [text, message] of REFUSED) {
  test(`'${text}' is refused`, () => {
    assert.throws(() => parseFlakeRef(text), { message });
  });
}

test("attributes that a scheme does not have or cannot read are refused", () => {
  const print = (attributes: Record<string, FlakeAttribute>) => () =>
    printFlakeRef(new Map(Object.entries(attributes)));
  assert.throws(print({}), /'type' attribute/);
  assert.throws(print({ type: "cvs" }), /unsupported input/);
  assert.throws(print({ type: "github", owner: "o" }), /'repo' is missing/);
  assert.throws(print({ type: "github", owner: "o", repo: "r", url: "u" }), /not supported by scheme 'github'/);
  assert.throws(print({ type: "github", owner: "o", repo: "r", ref: "a", rev: REV }), /both a commit hash/);
  assert.throws(print({ type: "indirect", id: "1" }), /not a valid flake ID/);
  assert.throws(print({ type: "path", path: "/a", lastModified: "1" }), /not an integer/);
  assert.throws(print({ type: "path", path: 1 }), /not a string/);
});

test("repositories are named as ssh names them, or by their path", () => {
  const print = (url: string) =>
    printFlakeRef(
      new Map([
        ["type", "git"],
        ["url", url],
      ] as const),
    );
  assert.equal(print("git@h.org:o/r.git"), "git+ssh://git@h.org/o/r.git");
  assert.equal(print("/a/b"), "git+file:///a/b");
  assert.throws(() => print("h:"), /empty path/);
});

test("whatever is given is read or refused, and what was printed reads as the same", () => {
  const piece = fc.constantFrom(..."ab:/+?#=&%.~@[] ".split(""), "github", "git", "path", "ref", "dir", "file", "20");
  const text = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join("")),
  );
  fc.assert(
    fc.property(text, (reference) => {
      let attributes: ReturnType<typeof parseFlakeRef>;
      try {
        attributes = parseFlakeRef(reference);
      } catch (thrown) {
        assert.match((thrown as { code: string }).code, /^(invalid-url|invalid-flake-ref|limit)$/);
        return;
      }
      const printed = printFlakeRef(attributes);
      assert.equal(printFlakeRef(parseFlakeRef(printed)), printed);
    }),
    { numRuns: 2000 },
  );
});
