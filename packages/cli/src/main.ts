/*
The process: environment, streams and signals become a Session; what is thrown becomes a message and an exit code. No command is in
here, and nothing that can be tested without a process.
*/

import process from "node:process";
import type { WriteStream } from "node:tty";
import { addAbortSignal } from "node:stream";
import { buffer } from "node:stream/consumers";
import { type Config, isColourless, readConfig } from "./config.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { takeDiagnosticsFlag } from "./diagnostics-flag.ts";
import { diagnosticOf } from "./diagnostic.ts";
import { Output, type Sink } from "./output.ts";
import { runCommandLine } from "./program.ts";
import { reportOf } from "./report.ts";
import { Session } from "./session.ts";

const COLUMNS_DEFAULT = 80;

function sinkOf(stream: WriteStream): Sink {
  // A write that fails rejects below; without a listener it would end the process as well.
  stream.on("error", () => undefined);
  return {
    isTerminal: stream.isTTY === true,
    get columns() {
      return stream.columns ?? COLUMNS_DEFAULT;
    },
    write: (bytes) =>
      new Promise((resolve, reject) => {
        stream.write(bytes, (failure) => (failure ? reject(failure) : resolve()));
      }),
  };
}

async function main(): Promise<number> {
  const colourless = isColourless(process.env);
  const output = new Output(sinkOf(process.stdout), sinkOf(process.stderr), { noColor: colourless });
  const debug = process.env.FIRN_DEBUG === "1";
  const { signal, release } = listenForInterrupt();
  try {
    const machine = { workingDirectory: process.cwd(), platform: process.platform, arch: process.arch };
    const config: Config = readConfig(process.env, machine);
    // Aborted with the signal, since an open standard input would keep the process alive.
    const stdin = () => addAbortSignal(signal, process.stdin);
    await using session = new Session({
      config,
      output,
      signal,
      stdin,
      readStdin: () => buffer(stdin()),
      releaseSignals: release,
    });
    const { argv, format } = takeDiagnosticsFlag(process.argv.slice(2));
    output.format = format;
    return await runCommandLine(argv, session);
  } catch (thrown) {
    // Once told to stop, whatever else failed did so because of it.
    const reason = signal.aborted ? signal.reason : thrown;
    const report = reportOf(reason, debug);
    const diagnostic = diagnosticOf(reason, report);
    if (diagnostic !== undefined) await output.say({ ...diagnostic, text: coloured(report.text ?? "", output) });
    return report.exitCode;
  } finally {
    release();
  }
}

/** The word that begins an error stands out on a terminal. */
function coloured(text: string, output: Output): string {
  return text.replace(/^(?:firn: internal )?error:/, (word) => output.styled(output.stderr, "red", word));
}

main().then((exitCode) => {
  process.exitCode = exitCode;
});
