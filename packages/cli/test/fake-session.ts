/* A Session whose streams are buffers and whose state is in memory or a temporary directory, for tests of commands without a process. */

import { streamOf } from "@firn/base";
import { Output, type Sink } from "../src/output.ts";
import { readConfig } from "../src/config.ts";
import { Session } from "../src/session.ts";

export type Captured = Sink & { readonly text: () => string; readonly bytes: () => Buffer };

export function captured(isTerminal = false, columns = 80): Captured {
  const chunks: Uint8Array[] = [];
  return {
    isTerminal,
    columns,
    write: async (bytes) => void chunks.push(bytes.slice()),
    text: () => Buffer.concat(chunks).toString("utf8"),
    bytes: () => Buffer.concat(chunks),
  };
}

export type FakeSession = { readonly session: Session; readonly stdout: Captured; readonly stderr: Captured };

export function fakeSession(
  directory: string,
  options: {
    readonly isTerminal?: boolean;
    readonly env?: Readonly<Record<string, string>>;
    readonly stdin?: string | Uint8Array;
    readonly signal?: AbortSignal;
  } = {},
): FakeSession {
  const config = readConfig(
    { HOME: directory, FIRN_HOME: `${directory}/state`, ...options.env },
    { workingDirectory: directory, platform: "linux", arch: "x64" },
  );
  const stdin = Buffer.from(options.stdin ?? "");
  const stdout = captured(options.isTerminal);
  const stderr = captured(options.isTerminal);
  const session = new Session({
    config,
    output: new Output(stdout, stderr, { noColor: config.noColor }),
    signal: options.signal ?? new AbortController().signal,
    stdin: () => streamOf(stdin),
    readStdin: async () => stdin,
    releaseSignals: () => undefined,
  });
  return { session, stdout, stderr };
}
