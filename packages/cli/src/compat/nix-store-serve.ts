/*
`nix-store --serve`: Firn's store for one client of ssh://, on standard input and output; with `--write` for one that adds and builds, too.
*/

import process from "node:process";
import { Duplex } from "node:stream";
import { serveOnStream } from "@firn/gateway";
import { bytesOf } from "@firn/base";
import { openDaemonHost } from "../daemon-host.ts";
import type { Session } from "../session.ts";
import { realiseOptionsOf } from "./nix-realise.ts";
import { checkFlags, type StoreArguments } from "./nix-store-arguments.ts";
import { UsageError } from "./usage-error.ts";

export async function serve({ flags, operands, settings }: StoreArguments, session: Session): Promise<void> {
  checkFlags(flags, ["--write"]);
  if (operands.length > 0) throw new UsageError("no arguments expected");
  const options = { ...realiseOptionsOf(settings), directory: undefined };
  const host = await openDaemonHost(options, session);
  // Node takes its own streams as well, of which its type does not know.
  const stream = Duplex.from({ readable: process.stdin, writable: process.stdout } as never);
  await serveOnStream(stream, host, {
    write: flags.includes("--write"),
    signal: session.signal,
    say: (line) => void session.output.stderr.write(bytesOf(`${line}\n`)).catch(() => undefined),
  });
}
