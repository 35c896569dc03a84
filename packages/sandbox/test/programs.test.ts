import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findProgram, interpreterOf, isStaticProgram, librariesOf } from "../src/programs.ts";
import { findShell } from "../src/shell.ts";
import { shellWords } from "../src/shell-quote.ts";

test("the running node is a dynamic program with a loader and libraries", async () => {
  assert.match((await interpreterOf(process.execPath)) as string, /^\/lib.*\/ld-linux/);
  assert.equal(await isStaticProgram(process.execPath), false);
  assert.ok((await librariesOf(process.execPath)).some((path) => path.endsWith("/libc.so.6")));
});

test("what is no ELF file is no static program", async () => {
  const directory = await mkdtemp(join(tmpdir(), "firn-programs-"));
  try {
    for (const contents of ["", "#!/bin/sh\n", "\x7fELF"]) {
      await writeFile(join(directory, "f"), contents);
      assert.equal(await isStaticProgram(join(directory, "f")), false);
    }
    assert.equal(await isStaticProgram(join(directory, "none")), false);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("programs are found by absolute path, or not at all", async () => {
  assert.match((await findProgram("sh")) as string, /^\/.*\/sh$/);
  assert.equal(await findProgram("no-such-program-here"), undefined);
});

test("a shell for builders is found, at bin/sh, with what it needs", async () => {
  const { kind, files } = await findShell();
  assert.equal(files[0].path, "bin/sh");
  assert.equal(files.length === 1, kind === "busybox" || (await isStaticProgram(files[0].hostPath)));
});

test("words are quoted so that sh reads them back", () => {
  assert.equal(shellWords(["a", "", "it's", "$x\n"]), "'a' '' 'it'\\''s' '$x\n'");
});
