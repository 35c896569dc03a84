/* Completion scripts: bash runs its own; all name every command. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, test } from "node:test";
import { need } from "../../../dev/need.ts";
import { COMMANDS, runCommandLine } from "../src/program.ts";
import { fakeSession } from "./fake-session.ts";

async function scriptFor(shell: string): Promise<string> {
  const { session, stdout } = fakeSession("/nowhere");
  assert.equal(await runCommandLine(["completion", shell], session), 0);
  return stdout.text();
}

describe("firn completion", () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    test(`the script for ${shell} knows all commands`, async () => {
      const script = await scriptFor(shell);
      for (const { name } of COMMANDS) for (const word of name.split(" ")) assert(script.includes(word), name);
    });
  }

  const cases: readonly [words: readonly string[], expected: readonly string[]][] = [
    [
      ["firn", "b"],
      ["build", "builds"],
    ],
    [
      ["firn", "store", ""],
      [
        "add",
        "ls",
        "cat",
        "dump",
        "path-info",
        "copy",
        "publish",
        "export",
        "import",
        "sign",
        "diff",
        "why-depends",
        "du",
        "gc",
        "roots",
        "verify",
        "--help",
      ],
    ],
    [["firn", "build", "--keep"], ["--keep-going"]],
    [["firn", "store", "ls", "--rec"], ["--recursive"]],
    [["firn", "build", "/et"], ["/etc"]],
  ];
  for (const [words, expected] of cases) {
    test(`bash completes ${words.join(" ")}`, need("bash"), async () => {
      const quoted = words.map((word) => `'${word}'`).join(" ");
      const ask = `COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _firn; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const out = execFileSync("bash", ["-c", `${await scriptFor("bash")}\n${ask}`], { encoding: "utf8" });
      assert.deepEqual(out.trim().split("\n"), expected);
    });
  }
});
