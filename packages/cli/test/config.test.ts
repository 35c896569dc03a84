/* What the environment says: where state is, NIX_STORE_DIR, NIX_PATH, this machine's name. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Config, parseSearchPath, readConfig } from "../src/config.ts";
import { CliError } from "../src/error.ts";

const MACHINE = { workingDirectory: "/here", platform: "linux", arch: "x64" };

describe("configuration", () => {
  const cases: readonly [name: string, env: Record<string, string>, expected: Partial<Config>][] = [
    [
      "state is below the home directory",
      { HOME: "/home/me" },
      { stateDir: "/home/me/.local/state/firn", homeDirectory: "/home/me" },
    ],
    ["XDG_STATE_HOME moves it", { HOME: "/home/me", XDG_STATE_HOME: "/state" }, { stateDir: "/state/firn" }],
    [
      "a relative XDG_STATE_HOME is ignored",
      { HOME: "/home/me", XDG_STATE_HOME: "state" },
      { stateDir: "/home/me/.local/state/firn" },
    ],
    [
      "FIRN_HOME decides before all",
      { HOME: "/home/me", XDG_STATE_HOME: "/state", FIRN_HOME: "/firn" },
      { stateDir: "/firn" },
    ],
    ["a relative FIRN_HOME starts here", { FIRN_HOME: "firn" }, { stateDir: "/here/firn" }],
    [
      "an empty variable is none",
      { FIRN_HOME: "", HOME: "/h", NIX_STORE_DIR: "" },
      { stateDir: "/h/.local/state/firn", storeDir: "/nix/store" },
    ],
    [
      "NIX_STORE_DIR is taken without a final slash",
      { HOME: "/h", NIX_STORE_DIR: "/gnu/store/" },
      { storeDir: "/gnu/store" },
    ],
    ["FIRN_FILES_MAX is a size", { HOME: "/h", FIRN_FILES_MAX: "1.5G" }, { filesBytesMax: 1.5 * 1024 ** 3 }],
    ["NO_COLOR forbids colours whatever it says", { HOME: "/h", NO_COLOR: "0" }, { noColor: true }],
    ["a dumb terminal has no colours", { HOME: "/h", TERM: "dumb" }, { noColor: true }],
    ["FIRN_TRACE_STORE is 1 or nothing", { HOME: "/h", FIRN_TRACE_STORE: "1" }, { traceStore: true }],
    ["FIRN_DEBUG is 1 or nothing", { HOME: "/h", FIRN_DEBUG: "yes" }, { debug: false }],
  ];
  for (const [name, env, expected] of cases) {
    test(name, () => {
      const config = readConfig(env, MACHINE);
      const got = Object.fromEntries(Object.keys(expected).map((key) => [key, config[key as keyof Config]]));
      assert.deepEqual(got, expected);
    });
  }

  const refused: readonly [name: string, env: Record<string, string>][] = [
    ["a FIRN_FILES_MAX that is no size", { HOME: "/h", FIRN_FILES_MAX: "much" }],
    ["without FIRN_HOME and HOME there is no place for state", {}],
    ["a relative NIX_STORE_DIR", { HOME: "/h", NIX_STORE_DIR: "nix/store" }],
    ["a NIX_STORE_DIR with dots", { HOME: "/h", NIX_STORE_DIR: "/nix/../store" }],
    ["a NIX_STORE_DIR that is the root", { HOME: "/h", NIX_STORE_DIR: "/" }],
  ];
  for (const [name, env] of refused) {
    test(`${name} is refused`, () => {
      assert.throws(
        () => readConfig(env, MACHINE),
        (thrown) => thrown instanceof CliError && thrown.code === "configuration",
      );
    });
  }

  test("machines are named as Nix names them", () => {
    const systemOf = (platform: string, arch: string) =>
      readConfig({ HOME: "/h" }, { workingDirectory: "/", platform, arch }).system;
    assert.equal(systemOf("linux", "x64"), "x86_64-linux");
    assert.equal(systemOf("darwin", "arm64"), "aarch64-darwin");
  });

  test("variables reach evaluations as byte strings", () => {
    assert.equal(readConfig({ HOME: "/h", NAME: "é" }, MACHINE).environment.NAME, "\xc3\xa9");
  });
});

describe("NIX_PATH", () => {
  const cases: readonly [text: string, expected: readonly [prefix: string, path: string][]][] = [
    ["", []],
    ["/a", [["", "/a"]]],
    [
      "nixpkgs=/a:/b::x=c",
      [
        ["nixpkgs", "/a"],
        ["", "/b"],
        ["x", "c"],
      ],
    ],
    [
      "n=https://example.org/a.tar.gz:/b",
      [
        ["n", "https://example.org/a.tar.gz"],
        ["", "/b"],
      ],
    ],
    ["a=b=c", [["a", "b=c"]]],
  ];
  for (const [text, expected] of cases) {
    test(`${JSON.stringify(text)} has ${expected.length} entries`, () => {
      assert.deepEqual(
        parseSearchPath(text).map(({ prefix, path }) => [prefix, path]),
        expected,
      );
    });
  }
});
