/*
The process behind each program of compat/bin: streams, signals and environment go in, an exit code comes out. Nothing that can be tested
without a process is in here.
*/

import process from "node:process";
import { addAbortSignal } from "node:stream";
import { buffer } from "node:stream/consumers";
import { isColourless, readConfig } from "../config.ts";
import { EXIT } from "../error.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { diagnosticOf } from "../diagnostic.ts";
import { Output, type Sink } from "../output.ts";
import { Session } from "../session.ts";
import { logFormatOf } from "./common-flags.ts";
import { endOf } from "./usage-error.ts";

/** What a program does with a command line (without its name). Yields the exit code, where there is more than one. */
export type Program = (
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  session: Session,
) => Promise<number> | Promise<void>;

function sinkOf(stream: NodeJS.WriteStream): Sink {
  stream.on("error", () => undefined); // a failed write rejects below
  return {
    isTerminal: stream.isTTY === true,
    columns: stream.columns ?? 80,
    write: (bytes) =>
      new Promise((resolve, reject) => {
        stream.write(bytes, (failure) => (failure ? reject(failure) : resolve()));
      }),
  };
}

/** Runs a program as this process and sets the process's exit code. */
export async function runProgram(name: string, program: Program): Promise<void> {
  process.exitCode = await exitCodeOf(name, program);
}

async function exitCodeOf(name: string, program: Program): Promise<number> {
  const output = new Output(sinkOf(process.stdout), sinkOf(process.stderr), { noColor: isColourless(process.env) });
  const { signal, release } = listenForInterrupt();
  try {
    const machine = { workingDirectory: process.cwd(), platform: process.platform, arch: process.arch };
    const config = readConfig(process.env, machine);
    const stdin = () => addAbortSignal(signal, process.stdin);
    await using session = new Session({
      config,
      output,
      signal,
      stdin,
      readStdin: () => buffer(stdin()),
      releaseSignals: release,
    });
    output.format = logFormatOf(process.argv);
    const exitCode = await program(process.argv.slice(2), process.env, session);
    return typeof exitCode === "number" ? exitCode : EXIT.ok;
  } catch (thrown) {
    const reason = signal.aborted ? signal.reason : thrown;
    const report = endOf(name, reason, process.env.FIRN_DEBUG === "1");
    const diagnostic = diagnosticOf(reason, report);
    if (diagnostic !== undefined) await output.say(diagnostic);
    return report.exitCode;
  } finally {
    release();
  }
}
