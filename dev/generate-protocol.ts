/*
Writes packages/protocol/src/gen from the .proto files beside it, by buf and protoc-gen-es. Run it after a change of a .proto file; a test compares what it
would write with what is there.

    npm run generate:protocol [-- --release]

With --release it also writes the image that `buf breaking` compares with, which is done when a version is released: from then on fields only grow.
*/

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

const HEAD = `/*
Messages and services of a .proto file, written by \`npm run generate:protocol\`. Change the .proto file, not this one.
*/

`;

/** Runs buf in packages/protocol and yields its exit code and what it said. */
export function runBuf(
  root: string,
  args: readonly string[],
): { readonly status: number | null; readonly said: string } {
  const buf = join(root, "node_modules/@bufbuild/buf/bin/buf");
  const cwd = join(root, "packages/protocol");
  const { status, stdout, stderr } = spawnSync(process.execPath, [buf, ...args], { cwd, encoding: "utf8" });
  return { status, said: `${stdout}${stderr}` };
}

/** Writes the generated files below `out`, a directory of its own. Throws with what buf says when it fails. */
export function generateProtocol(root: string, out: string): void {
  const plugin = ["node_modules/@bufbuild/protoc-gen-es/bin/protoc-gen-es"].map((path) => join(root, path));
  const opt = ["target=ts", "import_extension=ts", "erasable_syntax=true"];
  const template = JSON.stringify({ version: "v2", plugins: [{ local: [process.execPath, ...plugin], out, opt }] });
  const { status, said } = runBuf(root, ["generate", "--template", template]);
  if (status !== 0) throw new Error(`buf generate failed: ${said}`);
  for (const name of readdirSync(out, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".ts")) continue;
    const path = join(out, name);
    writeFileSync(path, HEAD + readFileSync(path, "utf8").replace("/* eslint-disable */\n", ""));
  }
}

if (import.meta.main) {
  const root = join(import.meta.dirname, "..");
  const gen = join(root, "packages/protocol/src/gen");
  const scratch = mkdtempSync(join(tmpdir(), "firn-protocol-"));
  try {
    generateProtocol(root, join(scratch, "gen")); // before anything is deleted
    rmSync(gen, { recursive: true, force: true });
    generateProtocol(root, gen);
    if (process.argv.includes("--release")) {
      const { status, said } = runBuf(root, ["build", "-o", "released.binpb"]);
      if (status !== 0) throw new Error(`buf build failed: ${said}`);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
