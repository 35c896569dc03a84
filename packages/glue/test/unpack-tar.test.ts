import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { bytesOf, type ByteStream, byteStringOf, collectBytes, concatBytes } from "@firn/base";
import { MemoryBlobs, MemoryDirectories, readBlob, walkTree } from "@firn/castore";
import fc from "fast-check";
import { need } from "../../../dev/need.ts";
import { readTar } from "../src/tar-reader.ts";
import { unpackTar } from "../src/unpack-tar.ts";

type Header = {
  readonly name: string;
  readonly type?: string;
  readonly target?: string;
  readonly mode?: string;
  readonly size?: string;
};

/** A header block, its checksum right. */
function header({ name, type = "0", target = "", mode = "0000644", size = "0" }: Header): string {
  const fields = [
    name.padEnd(100, "\0"),
    `${mode}\0`,
    "0000000\0",
    "0000000\0",
    `${size.padStart(11, "0")}\0`,
    "00000000000\0",
  ];
  const before = fields.join("");
  const behind = `${type}${target.padEnd(100, "\0")}ustar\x0000`.padEnd(356, "\0");
  let sum = 8 * 32;
  for (const char of before + behind) sum += char.charCodeAt(0);
  return `${before}${sum.toString(8).padStart(6, "0")}\0 ${behind}`;
}

function file(name: string, contents: string, more: Partial<Header> = {}): string {
  const padded = contents.padEnd(Math.ceil(contents.length / 512) * 512, "\0");
  return header({ name, size: contents.length.toString(8), ...more }) + padded;
}

const END = "\0".repeat(1024);

/** The text in chunks of the given length. */
async function* chunks(text: string, length = 1000): ByteStream {
  for (let at = 0; at < text.length; at += length) yield bytesOf(text.slice(at, at + length));
}

/** Contents, targets and x bits by path. */
async function unpacked(archive: string, length?: number): Promise<Record<string, string>> {
  const services = { blobs: new MemoryBlobs(), directories: new MemoryDirectories() };
  const root = await unpackTar(chunks(archive, length), services);
  const tree: Record<string, string> = {};
  for await (const { path, node } of walkTree(services, root)) {
    if (node.kind === "symlink") tree[path] = `-> ${node.target}`;
    else if (node.kind === "directory") tree[path] = "/";
    else {
      const contents = byteStringOf(await readBlob(services.blobs, node.digest, 1 << 20));
      tree[path] = `${node.executable ? "*" : ""}${contents}`;
    }
  }
  return tree;
}

test("files, links and directories come in any order, the one directory at the top is left out", async () => {
  const archive = `${file("./top/d/x", "run", { mode: "0000755" })}${header({ name: "top/", type: "5" })}${file("top/a", "A")}${header({ name: "top/l", type: "2", target: "../d" })}${header({ name: "top/h", type: "1", target: "top/a" })}${END}`;
  const expected = { "": "/", a: "A", d: "/", "d/x": "*run", h: "A", l: "-> ../d" };
  for (const length of [1, 511, 512, 100_000]) assert.deepEqual(await unpacked(archive, length), expected);
  assert.deepEqual(await unpacked(file("a", "1") + file("b", "2") + END), { "": "/", a: "1", b: "2" });
  assert.deepEqual(await unpacked(END), { "": "/" });
});

test("long names come in headers of their own, of both kinds", async () => {
  const long = "n".repeat(150);
  const record = `path=${long}\n`;
  const pax = `${record.length + 4} ${record}`;
  assert.deepEqual(await unpacked(file("pax", pax, { type: "x" }) + file("short", "1") + file("other", "2") + END), {
    "": "/",
    [long]: "1",
    other: "2",
  });
  const gnu = file("././@LongLink", `${long}\0`, { type: "L" }) + file("short", "1");
  assert.deepEqual(await unpacked(gnu + file("other", "2") + END), { "": "/", [long]: "1", other: "2" });
});

test("an archive that leads outside itself, or holds what a store cannot, is refused", async () => {
  const cases: readonly [archive: string, message: RegExp][] = [
    [file("a/../../b", "x"), /'a\/\.\.\/\.\.\/b' leads outside/],
    [header({ name: "l", type: "2", target: "/etc" }) + file("l/passwd", "x"), /'l', which is no directory/],
    [header({ name: "h", type: "1", target: "/etc/passwd" }), /which is no file before it/],
    [header({ name: "dev", type: "3" }), /neither file, directory nor link/],
    [file("a", "x").replace("ustar", "Ustar"), /checksum/],
    [file("a", "x").slice(0, 600), /ends too early/],
    [file("pax", "9 path=", { type: "x" }), /pax header is malformed/],
    [header({ name: "a", size: "zzz" }), /no octal number/],
  ];
  for (const [archive, message] of cases)
    await assert.rejects(unpacked(archive + END.slice(0, archive.length % 512 ? 0 : 1024)), {
      code: "fetch-failed",
      message,
    });
});

test("absolute names in an archive stay inside, names that lead up or nest without end are refused", async () => {
  const inside = await unpacked(file("/etc/passwd", "x") + file("//usr/./y", "y") + END);
  assert.deepEqual(inside, { "": "/", etc: "/", "etc/passwd": "x", usr: "/", "usr/y": "y" });
  for (const name of ["../x", "/../x", "a/..", "a/../../x", ".."]) {
    await assert.rejects(unpacked(file(name, "x") + END), { code: "fetch-failed", message: /leads outside/ }, name);
    const linked = file("a", "x") + header({ name: "h", type: "1", target: name });
    await assert.rejects(unpacked(linked + END), { code: "fetch-failed", message: /leads outside/ }, name);
  }
  const record = (value: string) => {
    const text = ` path=${value}\n`;
    const length = text.length + String(text.length).length;
    return `${length + (String(length).length > String(text.length).length ? 1 : 0)}${text}`;
  };
  const deep = file("pax", record("d/".repeat(400_000)), { type: "x" }) + file("short", "");
  await assert.rejects(unpacked(deep + END), (thrown: { code?: string }) =>
    /limit|fetch-failed/.test(thrown.code ?? ""),
  );
});

test("random bytes are refused or read, never anything else", async () => {
  const start = file("a", "contents");
  const damaged = fc
    .tuple(fc.nat(start.length - 1), fc.integer({ min: 0, max: 255 }))
    .map(([at, byte]) => start.slice(0, at) + String.fromCharCode(byte) + start.slice(at + 1));
  const random = fc.uint8Array({ maxLength: 2000 }).map(byteStringOf);
  await fc.assert(
    fc.asyncProperty(fc.oneof(damaged, random), async (archive) => {
      try {
        for await (const entry of readTar(chunks(archive))) {
          if (entry.kind === "file") await collectBytes(entry.contents, 1 << 20, () => new Error("too long"));
        }
      } catch (thrown) {
        assert.equal((thrown as { code: string }).code, "fetch-failed", String(thrown));
      }
    }),
  );
});

for (const format of ["ustar", "pax", "gnu", "v7"]) {
  test(`what tar(1) packs as ${format} is read`, need("tar"), async (t) => {
    const directory = mkdtempSync(join(tmpdir(), "firn-tar-"));
    t.after(() => rmSync(directory, { recursive: true, force: true }));
    mkdirSync(join(directory, "top/sub"), { recursive: true });
    writeFileSync(join(directory, "top/sub/run"), "x".repeat(3000), { mode: 0o755 });
    linkSync(join(directory, "top/sub/run"), join(directory, "top/z"));
    symlinkSync("sub", join(directory, "top/l"));
    const name = format === "pax" || format === "gnu" ? `ü${"y".repeat(120)}` : "y";
    writeFileSync(join(directory, "top", name), "");
    const archive = execFileSync("tar", ["-C", directory, `--format=${format}`, "-cf", "-", "top"]);
    const run = `*${"x".repeat(3000)}`;
    assert.deepEqual(await unpacked(byteStringOf(concatBytes([archive]))), {
      "": "/",
      l: "-> sub",
      sub: "/",
      "sub/run": run,
      [Buffer.from(name).toString("latin1")]: "",
      z: run,
    });
  });
}
