/* Users with state directories of their own in this process, and servers of what they have, for tests in which several machines meet. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { runCommandLine } from "../src/program.ts";
import { reportOf } from "../src/report.ts";
import { fakeSession } from "./fake-session.ts";

export type Ended = { readonly code: number; readonly out: string; readonly err: string };

/** A user with a state directory of its own. */
export class Place {
  readonly directory = mkdtempSync(join(tmpdir(), "firn-serve-"));

  constructor(t: TestContext) {
    t.after(() => rmSync(this.directory, { recursive: true, force: true }));
  }

  async run(argv: readonly string[], signal?: AbortSignal, onOut?: (text: string) => void): Promise<Ended> {
    const { session, stdout, stderr } = fakeSession(this.directory, { signal });
    let report: { readonly exitCode: number; readonly text?: string };
    try {
      const running = runCommandLine(argv, session);
      if (onOut !== undefined) {
        const ended = running.then(() => true);
        while (!stdout.text().includes("\n") && !(await Promise.race([ended, soon()])));
        onOut(stdout.text());
      }
      report = { exitCode: await running };
    } catch (thrown) {
      report = reportOf(thrown, false);
    } finally {
      await session.close();
    }
    return { code: report.exitCode, out: stdout.text(), err: stderr.text() + (report.text ?? "") };
  }

  /** Adds a file to the store and yields its path. */
  async add(name: string): Promise<string> {
    const file = join(this.directory, name);
    writeFileSync(file, Buffer.alloc(400_000, `contents of ${name} `));
    const { code, out, err } = await this.run(["store", "add", file]);
    assert.equal(code, 0, err);
    return out.trim();
  }

  async has(path: string): Promise<boolean> {
    return (await this.run(["store", "path-info", path])).code === 0;
  }
}

const soon = () => new Promise<false>((resolve) => setTimeout(() => resolve(false), 5));

/** Serves until it is stopped, or the test ends. */
export async function serve(
  t: TestContext,
  place: Place,
  args: readonly string[] = [],
): Promise<{ url: string; stop: () => Promise<Ended> }> {
  const stopping = new AbortController();
  const { promise, resolve } = Promise.withResolvers<string>();
  const ended = place.run(
    ["serve", "--json", "--grace", "5", "--listen", "127.0.0.1:0", ...args],
    stopping.signal,
    resolve,
  );
  const stop = () => {
    stopping.abort(new Error("stopped by the test"));
    return ended;
  };
  t.after(stop);
  const said = await promise;
  assert.notEqual(said, "", "it listens");
  return { url: (JSON.parse(said) as { url: string }).url, stop };
}
