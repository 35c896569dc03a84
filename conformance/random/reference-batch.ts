/*
Many programs in few processes of Debian's nix-instantiate: each is a file of its own, a driver imports one after the other and traces what it is. An error
that tryEval does not catch ends the process; the next one goes on with the program after it.
*/

import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What became of a program. `caught` and `error` are failures, by whether tryEval catches them; `text` is the value, or the message. */
export type Outcome = { readonly kind: "value" | "caught" | "error" | "crash"; readonly text: string };

const PROCESS_MS_MAX = 30_000;

const DRIVER = `
{ from, to }:
let
  show = import ./show.nix;
  run = i:
    if i == to then null
    else
      let shown = show (import (./. + "/\${toString i}.nix")); in
      builtins.trace
        (if shown.success then "\\n@\${toString i} value \${shown.value}" else "\\n@\${toString i} caught ")
        (run (i + 1));
in run from
`;

export class ReferenceBatch {
  readonly #directory = mkdtempSync(join(tmpdir(), "firn-random-"));
  #count = 0;

  /** One outcome for each program. */
  async outcomes(programs: readonly string[]): Promise<Outcome[]> {
    const directory = join(this.#directory, String(this.#count++));
    mkdirSync(directory);
    copyFileSync(join(import.meta.dirname, "show.nix"), join(directory, "show.nix"));
    writeFileSync(join(directory, "driver.nix"), DRIVER);
    programs.forEach((program, i) => writeFileSync(join(directory, `${i}.nix`), program, "latin1"));
    const outcomes: Outcome[] = [];
    while (outcomes.length < programs.length) {
      const from = outcomes.length;
      const { stderr, reason } = await run(directory, from, programs.length);
      for (const [, index, kind, text] of stderr.matchAll(/^@(\d+) (value|caught) (.*)$/gm)) {
        if (Number(index) !== outcomes.length) throw new Error(`a program printed what looks like a result: ${index}`);
        outcomes.push({ kind: kind as "value" | "caught", text });
      }
      if (outcomes.length === programs.length) break;
      const message = /^error: (.*)$/m.exec(stderr)?.[1];
      outcomes.push(message === undefined ? { kind: "crash", text: reason } : { kind: "error", text: message });
    }
    rmSync(directory, { recursive: true });
    return outcomes;
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function run(cwd: string, from: number, to: number): Promise<{ stderr: string; reason: string }> {
  const args = ["--eval", "--arg", "from", String(from), "--arg", "to", String(to), "driver.nix"];
  const env = { PATH: process.env.PATH, HOME: "/homeless", NIX_PATH: "", NIX_REMOTE: "dummy://" };
  return new Promise((done) => {
    execFile(
      "nix-instantiate",
      args,
      { cwd, env, encoding: "latin1", timeout: PROCESS_MS_MAX, maxBuffer: 1 << 28 },
      (error, _stdout, stderr) => done({ stderr, reason: error?.signal ?? String(error?.code) }),
    );
  });
}
