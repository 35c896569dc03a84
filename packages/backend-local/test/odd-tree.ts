/*
A tree with everything a store must keep and most of what it must not stumble over, and a way to compare two trees on disk.
*/

import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeTree } from "../src/staging.ts";

const at = (path: string) => Buffer.from(path, "latin1");

/** Makes the tree at `root`, which must not exist. All of it can be rendered as a NAR. */
export function makeOddTree(root: string): void {
  mkdirSync(root);
  mkdirSync(join(root, "empty"));
  writeFileSync(join(root, "no bytes"), "");
  writeFileSync(join(root, "script"), "#!/bin/sh\necho hi\n");
  chmodSync(join(root, "script"), 0o755);
  writeFileSync(join(root, "group may run"), "x");
  chmodSync(join(root, "group may run"), 0o654);
  writeFileSync(at(`${root}/\xff\xfe not utf-8`), "bytes");
  mkdirSync(at(`${root}/dir \xe9`));
  writeFileSync(at(`${root}/dir \xe9/in it`), "more");
  writeFileSync(join(root, "é is utf-8"), "text");
  writeFileSync(join(root, "new\nline"), "line");
  writeFileSync(join(root, "-dash"), "dash");
  symlinkSync("script", join(root, "to script"));
  symlinkSync("nowhere/at/all", join(root, "dangling"));
  symlinkSync("/etc/passwd", join(root, "absolute"));
  symlinkSync("..", join(root, "up"));
  symlinkSync("loop", join(root, "loop"));
  symlinkSync(at("to \xff"), at(`${root}/odd target`));
  symlinkSync("t".repeat(4000), join(root, "long target"));
  writeFileSync(join(root, "one"), "shared inode");
  linkSync(join(root, "one"), join(root, "two"));
  writeFileSync(join(root, "n".repeat(255)), "long name");
  for (const size of [16_383, 16_384, 16_385, 300_001])
    writeFileSync(join(root, `size ${size}`), Buffer.alloc(size, size & 255));
  writeFileSync(join(root, "large program"), Buffer.alloc(100_000, 7));
  chmodSync(join(root, "large program"), 0o555);
  mkdirSync(join(root, "a"));
  writeFileSync(join(root, "a.b"), "sorts between a and a/");
  mkdirSync(join(root, "deep"));
  let deep = join(root, "deep");
  for (let depth = 0; depth < 50; depth++) {
    deep = join(deep, "d");
    mkdirSync(deep);
  }
  writeFileSync(join(deep, "bottom"), "reached");
}

/** What a store keeps of a tree on disk: one line an entry, sorted. */
export function describeTree(root: string): string[] {
  const lines: string[] = [];
  const visit = (path: string, relative: string) => {
    const found = lstatSync(at(path));
    if (found.isSymbolicLink())
      lines.push(`${relative} -> ${readlinkSync(at(path), { encoding: "buffer" }).toString("latin1")}`);
    else if (found.isFile()) {
      const kind = (found.mode & 0o100) !== 0 ? "x" : "r";
      lines.push(`${relative} ${kind} ${readFileSync(at(path)).toString("base64")}`);
    } else {
      lines.push(`${relative}/`);
      for (const name of readdirSync(at(path), { encoding: "buffer" })) {
        const text = name.toString("latin1");
        visit(`${path}/${text}`, `${relative}/${text}`);
      }
    }
  };
  visit(root, "");
  return lines.sort();
}

/** A new directory for one test, removed when the test ends. */
export function temporaryDir(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "firn-backend-local-"));
  return { path, [Symbol.dispose]: () => removeTree(path) };
}
