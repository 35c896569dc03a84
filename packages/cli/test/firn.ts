/* Runs the program as a user does, from its sources, with a state directory of its own. */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const MAIN = join(import.meta.dirname, "..", "src", "main.ts");

export type Ended = {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly out: string;
  readonly err: string;
};

export type RunOptions = {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly stdin?: string | Buffer;
  /** Sends the signal, once, when this text was seen on stderr. */
  readonly signalAfter?: { readonly text: string; readonly signal: NodeJS.Signals };
  /** Closes our end of stdout after the first bytes. */
  readonly closeStdout?: boolean;
  /** Gets the process, to hear it or to kill it. */
  readonly onStart?: (child: ChildProcessWithoutNullStreams) => void;
};

export type Firn = {
  /** Temporary directory: home, working directory and state of this test. */
  readonly directory: string;
  readonly run: (args: readonly string[], options?: RunOptions) => Promise<Ended>;
};

/** What builds keep for later ones: pipes nobody used yet, and which sandbox works here. */
const KEPT = ["pipes", "roots", "seen-working"];

/** Names of the directories that builds have in a state directory, of those under way or left behind. */
export function buildDirectories(stateDir: string): readonly string[] {
  return readdirSync(join(stateDir, "builds")).filter((name) => !KEPT.includes(name));
}

/** A place to run Firn in, gone after the test or suite whose `after` is given. */
export function makeFirn(t: { readonly after: (action: () => void) => void }): Firn {
  const directory = mkdtempSync(join(tmpdir(), "firn-cli-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return { directory, run: (args, options) => runFirn(directory, args, options) };
}

function runFirn(directory: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const env = { PATH: process.env.PATH, HOME: directory, FIRN_HOME: join(directory, "state"), ...options.env };
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", MAIN, ...args], {
    cwd: options.cwd ?? directory,
    env,
    stdio: "pipe",
  });
  options.onStart?.(child);
  const stdout: Buffer[] = [];
  let err = "";
  let signalled = false;
  child.stdout.on("data", (chunk: Buffer) => {
    stdout.push(chunk);
    if (options.closeStdout) child.stdout.destroy();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
    if (signalled || !options.signalAfter || !err.includes(options.signalAfter.text)) return;
    signalled = true;
    child.kill(options.signalAfter.signal);
  });
  child.stdin.on("error", () => undefined);
  // Who is to be interrupted gets a standard input that stays open.
  if (options.signalAfter === undefined) child.stdin.end(options.stdin ?? "");
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      const whole = Buffer.concat(stdout);
      resolve({ code, stdout: whole, out: whole.toString("utf8"), err });
    });
  });
}
