/*
A stream of bytes sent through a transform of Node's, or through a program that reads its input and writes its output. What the source throws comes out
unchanged, so that callers tell a lost connection from damaged bytes.
*/

import { type ByteStream, messageOf, throwIfAborted } from "@firn/base";
import { spawn } from "node:child_process";
import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CompressionError } from "./error.ts";

type Failure = (why: string, cause?: unknown) => CompressionError;

export async function* throughTransform(
  bytes: ByteStream,
  transform: Transform,
  failed: Failure,
  signal?: AbortSignal,
): ByteStream {
  const source = new Source(bytes);
  const ended = pipeline(source.stream(), transform);
  ended.catch(() => undefined); // the transform's own iteration throws it
  try {
    for await (const chunk of transform) {
      throwIfAborted(signal);
      yield chunk as Uint8Array;
    }
    await ended;
  } catch (thrown) {
    throw source.judge(thrown, signal, (problem) => failed(messageOf(problem), problem));
  } finally {
    transform.destroy();
    await ended.catch(() => undefined);
  }
}

/** Throws `no-program` when there is none of that name. */
export async function* throughProgram(
  bytes: ByteStream,
  program: string,
  args: readonly string[],
  failed: Failure,
  signal?: AbortSignal,
): ByteStream {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    if (said.length < 1000) said += text;
  });
  const ended = new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
  ended.catch(() => undefined);
  const source = new Source(bytes);
  // When the input fails, the program must not take what came for all there is.
  const fed = pipeline(source.stream(), child.stdin).catch(() => {
    if (source.failure !== undefined) child.kill("SIGKILL");
  });
  const problem = async () => {
    const code = await ended.catch((thrown: unknown) => {
      throw new CompressionError(
        "no-program",
        `the program ${program} is needed and cannot be started: ${messageOf(thrown)}`,
      );
    });
    if (code !== 0) throw failed(said.trim() === "" ? `${program} ended with code ${code}` : said.trim());
  };
  try {
    for await (const chunk of child.stdout) {
      throwIfAborted(signal);
      yield chunk as Uint8Array;
    }
    await problem();
    if (source.failure !== undefined) throw source.failure.thrown;
  } catch (thrown) {
    throw source.judge(thrown, signal, (other) =>
      other instanceof CompressionError ? other : failed(messageOf(other)),
    );
  } finally {
    child.kill("SIGKILL");
    child.stdout.destroy();
    await fed;
  }
}

/** Remembers what the source threw, since transforms and pipes wrap it. */
class Source {
  failure: { readonly thrown: unknown } | undefined;
  readonly #bytes: ByteStream;

  constructor(bytes: ByteStream) {
    this.#bytes = bytes;
  }

  stream(): Readable {
    return Readable.from(this.#watched(), { objectMode: false });
  }

  /** What to throw for what was thrown. */
  judge(thrown: unknown, signal: AbortSignal | undefined, otherwise: (thrown: unknown) => unknown): unknown {
    if (this.failure !== undefined) return this.failure.thrown;
    return signal?.aborted ? signal.reason : otherwise(thrown);
  }

  async *#watched(): AsyncGenerator<Uint8Array, void> {
    try {
      for await (const chunk of this.#bytes) if (chunk.length > 0) yield chunk;
    } catch (thrown) {
      this.failure = { thrown };
      throw thrown;
    }
  }
}
