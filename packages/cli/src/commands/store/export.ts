/* `firn store export`: paths and all they refer to as one file (docs/formats/closure-archive.md). */

import { open, rename, rm } from "node:fs/promises";
import { resolve } from "node:path";
import process from "node:process";
import { messageOf } from "@firn/base";
import { exportClosure } from "@firn/store";
import { defineCommand, examples } from "../../command.ts";
import { CliError } from "../../error.ts";
import { humanBytes, LiveLine } from "../../live-line.ts";
import { namedPaths } from "../../path-selection.ts";
import type { Session } from "../../session.ts";

export type ExportOptions = {
  readonly paths: readonly string[];
  readonly file: string | undefined;
  readonly json: boolean;
};

export const command = defineCommand<ExportOptions>({
  store: "any",
  declare: (command) =>
    command
      .argument("<path...>", "store paths, or links to results")
      .option("-o, --output <file>", "the file to write (default: standard output)")
      .option("--json", "print {file, bytes}, with --output")
      .addHelpText(
        "after",
        examples(
          ["firn store export -o hello.firn ./result", "a result and all it needs"],
          ["firn store export ./result | ssh host firn store import", "straight into another machine's store"],
        ),
      ),
  optionsOf: (operands, flags) => {
    const file = flags.output as string | undefined;
    if (flags.json === true && file === undefined)
      throw new CliError("usage", "--json needs --output: standard output is the archive");
    return { paths: operands, file, json: flags.json === true };
  },
  run: exportPaths,
});

async function exportPaths({ paths, file, json }: ExportOptions, session: Session): Promise<undefined> {
  const { output, signal } = session;
  const store = await session.openServices();
  const roots = (await namedPaths(paths, store, session)).map(({ path }) => path);
  if (file === undefined && output.stdout.isTerminal)
    throw new CliError(
      "invalid-target",
      "an archive is binary and would confuse the terminal: name a file with -o, or use a pipe",
    );
  using line = new LiveLine(output);
  let bytes = 0;
  async function* counted() {
    for await (const chunk of exportClosure(roots, store, { signal })) {
      bytes += chunk.length;
      line.show(() => `exporting: ${humanBytes(bytes)}`);
      yield chunk;
    }
  }
  if (file === undefined) for await (const chunk of counted()) await output.bytes(chunk);
  else await writeWhole(resolve(session.config.workingDirectory, file), counted());
  if (json) await output.json({ file, bytes });
  return undefined;
}

/** Writes a file that is there only once it is whole. */
async function writeWhole(hostPath: string, contents: AsyncIterable<Uint8Array>): Promise<void> {
  const staged = `${hostPath}.${process.pid}.tmp`;
  try {
    const handle = await open(staged, "wx");
    try {
      for await (const chunk of contents) await handle.writeFile(chunk);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(staged, hostPath);
  } catch (thrown) {
    await rm(staged, { force: true }).catch(() => undefined);
    if (typeof (thrown as { syscall?: unknown }).syscall !== "string") throw thrown;
    throw new CliError("invalid-target", `'${hostPath}' cannot be written: ${messageOf(thrown)}`, { cause: thrown });
  }
}
