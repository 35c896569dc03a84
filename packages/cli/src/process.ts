/*
The process behind `firn` and the programs of compat/bin: environment, streams and signals become a Session; what is thrown becomes a message
and an exit code. No command is in here, and nothing that can be tested without a process.
*/

import process from "node:process";
import { addAbortSignal } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { WriteStream } from "node:tty";
import { isColourless, readConfig } from "./config.ts";
import { diagnosticOf } from "./diagnostic.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { Output, type Sink } from "./output.ts";
import type { Report } from "./report.ts";
import { Session } from "./session.ts";

const COLUMNS_DEFAULT = 80;

export type ProcessParts = {
  /** Does what the command line (without the program's name) says. Yields the exit code. */
  readonly run: (argv: readonly string[], session: Session) => Promise<number>;
  /** What to say about something thrown, and how to end. */
  readonly reportOf: (thrown: unknown, debug: boolean) => Report;
};

/** Runs a program as this process and sets the process's exit code. */
export async function runProcess(parts: ProcessParts): Promise<void> {
  process.exitCode = await exitCodeOf(parts);
}

async function exitCodeOf({ run, reportOf }: ProcessParts): Promise<number> {
  const output = new Output(sinkOf(process.stdout), sinkOf(process.stderr), { noColor: isColourless(process.env) });
  const { signal, release } = listenForInterrupt();
  try {
    const machine = { workingDirectory: process.cwd(), platform: process.platform, arch: process.arch };
    const config = readConfig(process.env, machine);
    // Aborted with the signal, since an open standard input would keep the process alive.
    const stdin = () => addAbortSignal(signal, process.stdin);
    const readStdin = () => buffer(stdin());
    await using session = new Session({ config, output, signal, stdin, readStdin, releaseSignals: release });
    return await run(process.argv.slice(2), session);
  } catch (thrown) {
    // Once told to stop, whatever else failed did so because of it.
    const reason = signal.aborted ? signal.reason : thrown;
    const report = reportOf(reason, process.env.FIRN_DEBUG === "1");
    const diagnostic = diagnosticOf(reason, report);
    if (diagnostic !== undefined) await output.say({ ...diagnostic, text: coloured(report.text ?? "", output) });
    return report.exitCode;
  } finally {
    release();
  }
}

function sinkOf(stream: WriteStream): Sink {
  // A write that fails rejects below; without a listener it would end the process as well.
  stream.on("error", () => undefined);
  return {
    isTerminal: stream.isTTY === true,
    get columns() {
      return stream.columns || COLUMNS_DEFAULT; // terminals that do not know have 0
    },
    write: (bytes) =>
      new Promise((resolve, reject) => {
        stream.write(bytes, (failure) => (failure ? reject(failure) : resolve()));
      }),
  };
}

/** The word that begins an error stands out on a terminal. */
function coloured(text: string, output: Output): string {
  return text.replace(/^(?:firn: internal )?error:/, (word) => output.styled(output.stderr, "red", word));
}
