import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  lstatSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ByteSource, bytesOf, byteStringOf, collectBytes, concatBytes } from "@firn/base";
import { hashBytes, toHex } from "@firn/hash";
import fc from "fast-check";
import { need } from "../../../dev/need.ts";
import { NixCompatError, type NixCompatErrorCode } from "../src/error.ts";
import { NAR_DEPTH_MAX, NAR_NAME_BYTES_MAX, NAR_TARGET_BYTES_MAX } from "../src/nar.ts";
import { type NarEvent, readNar, readNarStream, takeNar } from "../src/nar-reader.ts";
import { NarWriter } from "../src/nar-writer.ts";
import { makeFixedOutputPath } from "../src/store-path-hash.ts";

/** A tree in memory: contents, a target, or entries. */
type Tree =
  | { kind: "file"; contents: string; executable?: boolean }
  | { kind: "symlink"; target: string }
  | { kind: "directory"; entries: Map<string, Tree> };

const file = (contents: string, executable = false): Tree => ({ kind: "file", contents, executable });
const symlink = (target: string): Tree => ({ kind: "symlink", target });
const directory = (entries: Record<string, Tree>): Tree => ({
  kind: "directory",
  entries: new Map(Object.entries(entries)),
});

function writeTree(writer: NarWriter, tree: Tree): void {
  if (tree.kind === "file")
    writer.startFile(tree.contents.length, tree.executable === true).contents(bytesOf(tree.contents));
  else if (tree.kind === "symlink") writer.symlink(tree.target);
  else {
    writer.startDirectory();
    for (const name of [...tree.entries.keys()].sort()) writeTree(writer.entry(name), tree.entries.get(name) as Tree);
    writer.endDirectory();
  }
}

function narOf(tree: Tree): Uint8Array {
  const chunks: Uint8Array[] = [];
  const writer = new NarWriter((chunk) => chunks.push(chunk));
  writeTree(writer, tree);
  const size = writer.finish();
  const nar = concatBytes(chunks);
  assert.equal(size, nar.length);
  return nar;
}

/** The events in a form that can be compared, contents joined. */
function summary(events: Iterable<NarEvent>): string[] {
  const lines: string[] = [];
  let contents: string | undefined;
  for (const event of events) {
    if (event.kind === "contents") {
      contents = (contents ?? "") + byteStringOf(event.bytes);
      continue;
    }
    if (contents !== undefined) lines.push(`contents ${contents}`);
    contents = undefined;
    lines.push(Object.values(event).join(" "));
  }
  if (contents !== undefined) lines.push(`contents ${contents}`);
  return lines;
}

function rewritten(events: Iterable<NarEvent>): Uint8Array {
  const chunks: Uint8Array[] = [];
  const writer = new NarWriter((chunk) => chunks.push(chunk.slice()));
  for (const event of events) {
    if (event.kind === "directory") writer.startDirectory();
    else if (event.kind === "directory-end") writer.endDirectory();
    else if (event.kind === "entry") writer.entry(event.name);
    else if (event.kind === "file") writer.startFile(event.size, event.executable);
    else if (event.kind === "contents") writer.contents(event.bytes);
    else writer.symlink(event.target);
  }
  writer.finish();
  return concatBytes(chunks);
}

function* pieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

const COMPLICATED = directory({
  ".keep": file(""),
  aa: symlink("/nix/store/somewhereelse"),
  keep: directory({ ".keep": file("") }),
});

test("NARs of three small trees have the published sizes and hashes", () => {
  const cases: readonly [Tree, number, string][] = [
    [symlink("/nix/store/somewhereelse"), 136, "097d397e9b5826384eaa16c457715d1c1a51670313ead0f58566e0b232539cf1"],
    [file("Hello World!"), 128, "03e7f63be30b065d78bcf615f5473545fdb4eb69aa416f43495b4e05cdfb8040"],
    [COMPLICATED, 840, "ebd52279a8df024c9fd5718de4103bf5e760dc7f2cf49044ee7dea87ab16911a"],
  ];
  for (const [tree, size, sha256] of cases) {
    const nar = narOf(tree);
    assert.equal(nar.length, size);
    assert.equal(toHex(hashBytes("sha256", nar)), sha256);
  }
});

test("imported trees have the store paths C++ Nix gives them", () => {
  const cases: readonly [Tree, string][] = [
    [file(""), "lx5i78a4izwk2qj1nq8rdc07y8zrwy90-empty"],
    [file("Hello World!"), "925f1jb1ajrypjbyq7rylwryqwizvhp0-hello.txt"],
    [directory({ ".keep": file("") }), "gq3xcv4xrj4yr64dflyr38acbibv3rm9-test"],
  ];
  for (const [tree, path] of cases) {
    const hash = { algorithm: "sha256" as const, bytes: hashBytes("sha256", narOf(tree)) };
    assert.equal(makeFixedOutputPath({ method: "nar", hash, name: path.slice(33) }).toString(), path);
  }
});

test("a tree is read as events depth first, however the bytes are cut", async () => {
  const nar = narOf(directory({ a: file("abc", true), "b\xff": directory({}), c: symlink("a") }));
  const expected = [
    "directory",
    "entry a",
    "file 3 true",
    "contents abc",
    "entry b\xff",
    "directory",
    "directory-end",
    "entry c",
    "symlink a",
    "directory-end",
  ];
  for (const size of [1, 2, 3, 7, 8, 64, nar.length]) assert.deepEqual(summary(readNar(pieces(nar, size))), expected);
  const events: NarEvent[] = [];
  for await (const event of readNarStream(ReadableStream.from(pieces(nar, 5)))) events.push(structuredClone(event));
  assert.deepEqual(summary(events), expected);
});

const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.record({
      kind: fc.constant("file" as const),
      contents: fc.oneof(
        fc.string(),
        fc.nat(40_000).map((n) => "x".repeat(n)),
      ),
      executable: fc.boolean(),
    }),
    fc.record({ kind: fc.constant("symlink" as const), target: fc.stringMatching(/^[^\0\u0100-\uffff]{1,20}$/) }),
    fc
      .array(fc.tuple(fc.stringMatching(/^[^\0/.\u0100-\uffff]{1,9}$/), tie("tree")))
      .map((entries) => ({ kind: "directory" as const, entries: new Map(entries) })),
  ),
}));

test("reading and writing again gives the same bytes", () => {
  fc.assert(
    fc.property(tree, fc.integer({ min: 1, max: 9000 }), (any, size) => {
      const nar = narOf(any);
      assert.deepEqual(rewritten(readNar(pieces(nar, size))), nar);
    }),
  );
});

test("no byte of a NAR can change without being refused or showing up when it is written again", () => {
  const nar = narOf(COMPLICATED);
  for (let at = 0; at < nar.length; at++) {
    for (const bit of [1, 64]) {
      const damaged = nar.slice();
      damaged[at] ^= bit;
      try {
        assert.deepEqual(rewritten(readNar([damaged])), damaged);
      } catch (error) {
        assert.ok(error instanceof NixCompatError, `byte ${at}: ${error}`);
        assert.equal(typeof error.context.offset, "number");
      }
    }
  }
});

test("a NAR that ends early or goes on is refused", () => {
  const nar = narOf(COMPLICATED);
  for (let length = 0; length < nar.length; length++) {
    assert.throws(
      () => [...readNar([nar.subarray(0, length)])],
      (error) => error instanceof NixCompatError && error.code === "invalid-nar",
      `${length}`,
    );
  }
  assert.throws(() => [...readNar([nar, new Uint8Array(1)])], /follows the end/);
  assert.throws(() => [...readNar([concatBytes([nar, new Uint8Array(8)])])], /follows the end/);
});

/** Tokens of a NAR as given, nothing checked. Numbers stand for bare lengths. */
function tokens(...parts: (string | number | bigint)[]): Uint8Array {
  const chunks: Uint8Array[] = [];
  for (const part of parts) {
    const length = new Uint8Array(8);
    new DataView(length.buffer).setBigUint64(0, BigInt(typeof part === "string" ? part.length : part), true);
    chunks.push(length);
    if (typeof part === "string") chunks.push(bytesOf(part), new Uint8Array((8 - (part.length % 8)) % 8));
  }
  return concatBytes(chunks);
}

const MAGIC = "nix-archive-1";
const entry = (name: string): string[] => [
  "entry",
  "(",
  "name",
  name,
  "node",
  "(",
  "type",
  "symlink",
  "target",
  "t",
  ")",
  ")",
];

test("names, targets, order, depth and lengths that break the rules are refused with code and reason", () => {
  const inDirectory = (...parts: (string | number)[]) => tokens(MAGIC, "(", "type", "directory", ...parts, ")");
  const cases: readonly [Uint8Array, NixCompatErrorCode, RegExp][] = [
    [inDirectory(...entry("")), "invalid-nar", /is empty/],
    [inDirectory(...entry(".")), "invalid-nar", /is a dot or two/],
    [inDirectory(...entry("..")), "invalid-nar", /is a dot or two/],
    [inDirectory(...entry("a/b")), "invalid-nar", /slash/],
    [inDirectory(...entry("a\0")), "invalid-nar", /NUL/],
    [inDirectory(...entry("b"), ...entry("a")), "invalid-nar", /out of order after 'b'/],
    [inDirectory(...entry("b"), ...entry("b")), "invalid-nar", /repeated/],
    [inDirectory(...entry("x".repeat(NAR_NAME_BYTES_MAX + 1))), "limit", /name is 256 bytes long, the limit is 255/],
    [
      tokens(MAGIC, "(", "type", "symlink", "target", "x".repeat(NAR_TARGET_BYTES_MAX + 1), ")"),
      "limit",
      /the limit is 4095/,
    ],
    [tokens(MAGIC, "(", "type", "symlink", "target", "", ")"), "invalid-nar", /target is empty/],
    [tokens(MAGIC, "(", "type", "symlink", "target", "a\0b", ")"), "invalid-nar", /NUL/],
    [tokens(MAGIC, "(", "type", "fifo", ")"), "invalid-nar", /expected 'regular'/],
    [tokens(MAGIC, "(", "type", "regular", "executable", "x"), "invalid-nar", /expected ''/],
    [tokens(MAGIC, "(", "type", "regular", ")"), "invalid-nar", /expected 'executable' or 'contents'/],
    [tokens(MAGIC, "(", "type", "regular", "contents", 2 ** 53), "limit", /2\^53/],
    [tokens(2 ** 40), "limit", /the limit is 16/],
    [tokens("nix-archive-2"), "invalid-nar", /expected 'nix-archive-1'/],
  ];
  for (const [nar, code, reason] of cases) {
    assert.throws(
      () => [...readNar([nar])],
      (error) => error instanceof NixCompatError && error.code === code && reason.test(error.message),
      String(reason),
    );
  }
});

test("a length near 2^64 is refused wherever a length stands, padding and all", () => {
  const inDirectory = [MAGIC, "(", "type", "directory"];
  const places: readonly (readonly string[])[] = [
    [],
    [MAGIC],
    [MAGIC, "(", "type"],
    [MAGIC, "(", "type", "regular"],
    [MAGIC, "(", "type", "regular", "executable"],
    [MAGIC, "(", "type", "regular", "contents"],
    [MAGIC, "(", "type", "symlink", "target"],
    inDirectory,
    [...inDirectory, "entry", "(", "name"],
    [...inDirectory, ...entry("a")],
  ];
  for (const before of places)
    for (const length of [2n ** 64n - 1n, 2n ** 64n - 7n, 2n ** 64n - 8n, 2n ** 63n, 2n ** 53n])
      assert.throws(
        () => [...readNar([tokens(...before, length), new Uint8Array(64)])],
        (error) => error instanceof NixCompatError && error.code === "limit",
        `${before.join(" ")} ${length}`,
      );
});

test("names that differ in case alone, or end as the case hack ends them, stay what they are", () => {
  const names = ["A", "A~nix~case~hack~1", "a", "a~nix~case~hack~1", "a~nix~case~hack~2"];
  const nar = narOf(directory(Object.fromEntries(names.map((name) => [name, file(name)]))));
  const events = [...readNar([nar])];
  assert.deepEqual(
    events.flatMap((event) => (event.kind === "entry" ? [event.name] : [])),
    names,
  );
  assert.deepEqual(rewritten(events), nar);
});

test("an error names the byte where the bad token starts", () => {
  const good = tokens(MAGIC, "(", "type");
  assert.throws(
    () => [...readNar(pieces(concatBytes([good, tokens("fifo")]), 3))],
    (error) => (error as NixCompatError).context.offset === good.length,
  );
});

test("directories may nest as deep as the limit and no deeper, for reader and writer", () => {
  const nested = (depth: number) => {
    const parts = [MAGIC];
    for (let i = 0; i < depth; i++)
      parts.push("(", "type", "directory", ...(i + 1 < depth ? ["entry", "(", "name", "d", "node"] : []));
    for (let i = 0; i < depth; i++) parts.push(")", ...(i + 1 < depth ? [")"] : []));
    return tokens(...parts);
  };
  assert.deepEqual(rewritten(readNar([nested(NAR_DEPTH_MAX)])), nested(NAR_DEPTH_MAX));
  assert.throws(
    () => [...readNar([nested(NAR_DEPTH_MAX + 1)])],
    (error) => error instanceof NixCompatError && error.code === "limit",
  );
  const writer = new NarWriter(() => {});
  for (let i = 0; i < NAR_DEPTH_MAX; i++) writer.startDirectory().entry("d");
  assert.throws(
    () => writer.startDirectory(),
    (error) => error instanceof NixCompatError && error.code === "limit",
  );
});

test("the writer refuses files that shrank or grew, and entries out of order", () => {
  const writer = () => new NarWriter(() => {});
  assert.throws(() => writer().startFile(3, false).contents(new Uint8Array(4)), /announced with 3 bytes has more/);
  assert.throws(() => writer().startFile(0, false).contents(new Uint8Array(1)), /announced with 0 bytes has more/);
  assert.throws(
    () => writer().startFile(3, false).contents(new Uint8Array(2)).finish(),
    /announced with 3 bytes has only 2/,
  );
  assert.throws(() => writer().startDirectory().entry("b").symlink("x").entry("a"), /out of order/);
  assert.throws(() => writer().startDirectory().entry("a/b"), /slash/);
  assert.throws(() => writer().symlink(""), /target .. is empty/);
  assert.throws(() => writer().finish(), /invariant broken/);
});

/** Walks a real tree, which Firn does elsewhere. */
function treeOf(path: Buffer): Tree {
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) return symlink(readlinkSync(path, "latin1"));
  if (stat.isFile()) return file(readFileSync(path, "latin1"), (stat.mode & 0o100) !== 0);
  const entries = new Map<string, Tree>();
  for (const name of readdirSync(path, "buffer"))
    entries.set(name.toString("latin1"), treeOf(Buffer.concat([path, Buffer.from("/"), name])));
  return { kind: "directory", entries };
}

test("odd trees are dumped as nix-store --dump dumps them", { ...need("nix-store") }, () => {
  const root = mkdtempSync(join(tmpdir(), "firn-nar-"));
  after(() => rmSync(root, { recursive: true, force: true }));
  const odd = join(root, "odd");
  mkdirSync(join(odd, "empty"), { recursive: true });
  mkdirSync(join(odd, "deep/er/still"), { recursive: true });
  for (const name of [
    "a",
    "B",
    "a.b",
    "a-b",
    "a0",
    ".hidden",
    "...",
    "new\nline",
    "~nix~case~hack~1",
    " ",
    "x".repeat(255),
  ])
    writeFileSync(join(odd, name), name);
  writeFileSync(Buffer.concat([Buffer.from(`${odd}/`), Buffer.from([0xff, 0x80])]), "not UTF-8");
  writeFileSync(join(odd, "é"), "UTF-8");
  for (const size of [0, 1, 7, 8, 9, 4095, 4096, 4097, 70_000])
    writeFileSync(join(odd, `deep/size${size}`), "s".repeat(size));
  writeFileSync(join(odd, "deep/er/run"), "#!/bin/sh\n");
  chmodSync(join(odd, "deep/er/run"), 0o700);
  writeFileSync(join(odd, "deep/er/group-run"), "");
  chmodSync(join(odd, "deep/er/group-run"), 0o654);
  symlinkSync("../nowhere", join(odd, "dangling"));
  symlinkSync(".", join(odd, "loop"));
  symlinkSync("t".repeat(4095), join(odd, "long"));
  symlinkSync("/", join(odd, "deep/abs"));
  for (const path of ["", "a", "empty", "dangling", "deep/er/run"]) {
    const dumped = execFileSync("nix-store", ["--dump", join(odd, path)], {
      maxBuffer: 1 << 28,
      env: { PATH: process.env.PATH, NIX_REMOTE: `local?root=${root}/nix` },
    });
    assert.deepEqual(narOf(treeOf(Buffer.from(join(odd, path)))), new Uint8Array(dumped), path);
    assert.deepEqual(rewritten(readNar([dumped])), new Uint8Array(dumped), path);
  }
});

test("a NAR inside a longer stream is taken whole and the stream left at its end, wherever chunks are cut", async () => {
  const chunks: Uint8Array[] = [];
  new NarWriter((chunk) => chunks.push(new Uint8Array(chunk)))
    .startDirectory()
    .entry("a")
    .startFile(5000, false)
    .contents(new Uint8Array(5000).fill(7))
    .entry("b")
    .symlink("a")
    .endDirectory()
    .finish();
  const nar = Buffer.concat(chunks);
  const whole = Buffer.concat([nar, nar, Buffer.from("after")]);
  for (const size of [1, 7, 8, 100, 4096, whole.length]) {
    async function* cut() {
      for (let at = 0; at < whole.length; at += size) yield whole.subarray(at, at + size);
    }
    const source = new ByteSource(cut());
    for (let i = 0; i < 2; i++) {
      const taken = await collectBytes(takeNar(source), 1 << 20, () => new Error("too long"));
      assert.ok(nar.equals(taken), `${size}`);
      assert.equal(source.offset, (i + 1) * nar.length);
    }
    assert.equal(Buffer.from(await source.exactly(5, () => new Error("short"))).toString(), "after");
    assert.equal(await source.next(), undefined);
  }
  const short = new ByteSource(
    (async function* () {
      yield nar.subarray(0, 99);
    })(),
  );
  await assert.rejects(
    async () => {
      for await (const _ of takeNar(short));
    },
    { code: "invalid-nar" },
  );
});
