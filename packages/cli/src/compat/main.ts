/*
The process behind compat/bin/nix-instantiate: streams, signals and environment go in, an exit code comes out. Nothing that can be tested
without a process is in here.
*/

import process from "node:process";
import { buffer } from "node:stream/consumers";
import { readConfig } from "../config.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { Output, type Sink } from "../output.ts";
import { Session } from "../session.ts";
import { endOf, runNixInstantiate } from "./nix-instantiate.ts";

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

async function main(): Promise<number> {
  const stderr = sinkOf(process.stderr);
  const { signal, release } = listenForInterrupt();
  try {
    const machine = { workingDirectory: process.cwd(), platform: process.platform, arch: process.arch };
    const config = readConfig(process.env, machine);
    const output = new Output(sinkOf(process.stdout), stderr, { noColor: config.noColor });
    const readStdin = () => buffer(process.stdin);
    await using session = new Session({ config, output, signal, readStdin, releaseSignals: release });
    await runNixInstantiate(process.argv.slice(2), process.env, session);
    return 0;
  } catch (thrown) {
    const { text, exitCode } = endOf(signal.aborted ? signal.reason : thrown, process.env.FIRN_DEBUG === "1");
    if (text !== undefined) await stderr.write(Buffer.from(`${text}\n`, "utf8")).catch(() => undefined);
    return exitCode;
  } finally {
    release();
  }
}

main().then((exitCode) => {
  process.exitCode = exitCode;
});
