/*
From whatever was thrown to what the user reads and the exit code. Expected failures are one message without a stack; anything else is a
bug of Firn and says so, with what to do about it.
*/

import { type ByteString, bytesOf, FirnError, messageOf } from "@firn/base";
import { EvalFailure } from "./evaluator/host.ts";
import { BuildFailed, CliError, EXIT, Interrupted } from "./error.ts";

export type Report = {
  /** For stderr, without a final newline; absent when there is nothing to say. */
  readonly text?: string;
  readonly exitCode: number;
};

/** What to say about `thrown`, and how to end. `debug` adds stacks. */
export function reportOf(thrown: unknown, debug: boolean): Report {
  if (isErrno(thrown, "EPIPE")) return { exitCode: EXIT.brokenPipe }; // whoever read us had enough
  if (thrown instanceof Interrupted) return { text: "error: interrupted", exitCode: thrown.exitCode };
  const stack = debug && thrown instanceof Error ? `\n${thrown.stack}` : "";
  if (thrown instanceof CliError && thrown.code === "usage")
    return { text: `error: ${thrown.message}${stack}`, exitCode: EXIT.usage };
  if (thrown instanceof BuildFailed) return { text: `error: ${thrown.message}${stack}`, exitCode: thrown.exitCode };
  if (thrown instanceof EvalFailure) return { text: evaluationText(thrown.message) + stack, exitCode: EXIT.error };
  if (thrown instanceof FirnError) return { text: `error: ${thrown.message}${stack}`, exitCode: EXIT.error };
  if (isErrno(thrown)) return { text: `error: ${thrown.message}${stack}`, exitCode: EXIT.error };
  return { text: internalError(thrown, debug), exitCode: EXIT.error };
}

/**
 * An evaluation's message for people. It is a byte string, program text and values being bytes, but words of Firn's own may stand in it as
 * ordinary text; bytes that are no UTF-8 are such words or a value's, and stay as they are.
 */
export function evaluationText(message: ByteString): string {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  return message.replace(/[\x80-\xff]+/g, (run) => {
    try {
      return decoder.decode(bytesOf(run));
    } catch {
      return run;
    }
  });
}

function internalError(thrown: unknown, debug: boolean): string {
  const text = `firn: internal error: ${messageOf(thrown)}
This is a bug in Firn. Please report it together with the command, its input and what FIRN_DEBUG=1 adds to this message.`;
  return debug && thrown instanceof Error ? `${text}\n${thrown.stack}` : text;
}

/** Whether it is a failed system call, of one kind or any. */
export function isErrno(thrown: unknown, code?: string): thrown is NodeJS.ErrnoException {
  if (!(thrown instanceof Error) || typeof (thrown as NodeJS.ErrnoException).syscall !== "string") return false;
  return code === undefined || (thrown as NodeJS.ErrnoException).code === code;
}
