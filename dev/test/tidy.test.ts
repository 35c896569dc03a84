import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { checkBanned } from "../tidy/banned.ts";
import { checkCycles } from "../tidy/cycles.ts";
import { checkManifests } from "../tidy/manifests.ts";
import { checkRooms, reachable } from "../tidy/rooms.ts";
import { checkSecurity } from "../tidy/security.ts";
import { checkShape } from "../tidy/shape.ts";
import { checkTraces } from "../tidy/traces.ts";
import { type Finding, readTree, type Tree, treeOf } from "../tidy/tree.ts";
import { formatFindings, RULES } from "../tidy.ts";

const HEAD = "/*\nA file that exists for this test only.\n*/\n";

type Case = {
  readonly title: string;
  readonly files: Readonly<Record<string, string>>;
  /** What the findings say, one expression each, in order; none when the tree is as it should be. */
  readonly finds: readonly RegExp[];
};

/** Runs `rule` on small trees, in each of which one thing is wrong or just right. */
function checkCases(rule: (tree: Tree) => Finding[], cases: readonly Case[]): void {
  for (const { title, files, finds } of cases) {
    test(title, () => {
      const findings = rule(treeOf(new Map(Object.entries(files))));
      assert.equal(findings.length, finds.length, formatFindings(findings));
      findings.forEach((finding, at) => {
        assert.match(`${finding.path}:${finding.line}: ${finding.message}`, finds[at]);
      });
    });
  }
}

describe("this checkout", () => {
  const tree = readTree(join(import.meta.dirname, "..", ".."));
  for (const [title, rule] of Object.entries(RULES)) {
    test(title, () => {
      const findings = rule(tree);
      assert.ok(findings.length === 0, `\n${formatFindings(findings)}`);
    });
  }
});

describe("rooms", () => {
  test("what a room may import is transitive and never itself", () => {
    assert.deepEqual([...reachable("store")].sort(), ["base", "castore", "hash", "nix-compat"]);
    assert.deepEqual([...reachable("eval")].sort(), ["base", "hash", "syntax"]);
    assert.ok(!reachable("glue").has("backend-local"));
    assert.deepEqual([...reachable("base")], []);
  });

  checkCases(checkRooms, [
    {
      title: "an import against the drawing is found, type-only or not",
      files: {
        "packages/eval/src/a.ts": 'import type { PathInfo } from "@firn/store";',
        "packages/base/src/b.ts": '\nexport * from "@firn/hash";',
      },
      finds: [/^packages\/eval\/src\/a\.ts:1: eval may not import store/, /b\.ts:2: base may not import hash/],
    },
    {
      title: "an import along the drawing is fine, near or far",
      files: { "packages/glue/src/a.ts": 'import { x } from "@firn/base"; import { y } from "@firn/eval";' },
      finds: [],
    },
    {
      title: "import(), require(), createRequire()() and import types count",
      files: {
        "packages/base/src/a.ts": 'await import("@firn/hash");',
        "packages/base/src/b.cjs": 'require("@firn/hash");',
        "packages/base/src/c.ts": 'createRequire(import.meta.url)("node:fs");',
        "packages/base/src/d.ts": 'type T = import("@firn/hash").Hash;',
      },
      finds: [/a\.ts.*hash/, /b\.cjs.*hash/, /c\.ts.*node:fs/, /d\.ts.*hash/],
    },
    {
      title: "a Node module in a browser room is found, in its tests and in other rooms it is fine",
      files: {
        "packages/syntax/src/a.ts": 'import { readFileSync } from "node:fs";',
        "packages/castore/src/b.ts": 'import "@firn/hash/node";',
        "packages/syntax/test/a.test.ts": 'import { test } from "node:test";',
        "packages/castore/contract/blobs.ts": 'import { test } from "node:test";',
        "packages/hash/src/node.ts": 'import { createHash } from "node:crypto";',
        "packages/sandbox/src/b.ts": 'import { spawn } from "node:child_process";',
      },
      finds: [/syntax\/src\/a\.ts:1: syntax runs in browsers: no node:fs/, /castore\/src\/b\.ts.*no @firn\/hash\/node/],
    },
    {
      title: "a relative import that leaves the room is found, from a test to dev/ it is fine",
      files: {
        "packages/store/src/a.ts": 'import { x } from "../../castore/src/node.ts";',
        "packages/store/test/a.test.ts": 'import { need } from "../../../dev/need.ts";',
        "packages/store/test/b.test.ts": 'import { x } from "../../castore/src/node.ts";',
      },
      finds: [/store\/src\/a\.ts:1: .* leaves the room/, /store\/test\/b\.test\.ts:1: .* leaves the room/],
    },
    {
      title: "a package does not import itself by name, its index, or its tests",
      files: {
        "packages/base/src/a.ts": 'import { b } from "@firn/base";',
        "packages/base/src/b.ts": 'import { b } from "./index.ts";',
        "packages/base/src/c.ts": 'import { b } from "../test/tool.ts";',
      },
      finds: [/import the file, not @firn\/base/, /import the file, not the index/, /sources do not import tests/],
    },
    {
      title: "a room nobody drew is found",
      files: { "packages/attic/src/a.ts": "", "packages/attic/src/b.ts": "" },
      finds: [/attic\/src\/a\.ts:1: the room attic is not in the table/],
    },
  ]);
});

describe("cycles", () => {
  checkCases(checkCycles, [
    {
      title: "a cycle inside a package is found once",
      files: {
        "packages/base/src/a.ts": 'import { b } from "./b.ts";',
        "packages/base/src/b.ts": 'export { c } from "./c.ts";',
        "packages/base/src/c.ts": 'import { a } from "./a.ts";',
      },
      finds: [/^packages\/base\/src\/a\.ts:1: import cycle: \S+a\.ts -> \S+b\.ts -> \S+c\.ts -> \S+a\.ts$/],
    },
    {
      title: "a cycle between packages is found through their indexes",
      files: {
        "packages/base/src/index.ts": 'export * from "./a.ts";',
        "packages/base/src/a.ts": 'import "@firn/hash/node";',
        "packages/hash/src/node.ts": 'import { a } from "@firn/base";',
      },
      finds: [
        /import cycle: packages\/base\/src\/a\.ts -> packages\/hash\/src\/node\.ts -> packages\/base\/src\/index\.ts/,
      ],
    },
    {
      title: "types may speak of each other, and two ways to one file are no cycle",
      files: {
        "packages/base/src/a.ts": 'import type { B } from "./b.ts"; import { c } from "./c.ts";',
        "packages/base/src/b.ts": 'import { A } from "./a.ts"; import { c } from "./c.ts";',
        "packages/base/src/c.ts": "",
      },
      finds: [],
    },
  ]);
});

describe("shape", () => {
  checkCases(checkShape, [
    {
      title: "a file of 600 lines is fine, one more is too many",
      files: {
        "packages/base/src/fits.ts": HEAD + "\n".repeat(600 - 4),
        "packages/base/src/long.ts": HEAD + "\n".repeat(600 - 3),
      },
      finds: [/long\.ts:600: 601 lines/],
    },
    {
      title: "a source begins with prose; tests and indexes need not",
      files: {
        "packages/base/src/a.ts": "export const a = 1;",
        "packages/base/src/b.ts": `export const b = 1;\n${HEAD}`,
        "packages/base/src/c.ts": "/* c */",
        "packages/base/src/d.ts": HEAD,
        "dev/e.ts": `#!/usr/bin/env node\n${HEAD}`,
        "packages/base/test/a.test.ts": "",
        "packages/base/src/index.ts": "",
      },
      finds: [/a\.ts:1: begin with/, /b\.ts:1: begin with/, /c\.ts:1: begin with/],
    },
    {
      title: "an index holds nothing but re-exports",
      files: { "packages/base/src/index.ts": 'export { a } from "./a.ts";\nexport const b = 1;\n' },
      finds: [/index\.ts:2: an index only re-exports/],
    },
    {
      title: "what does not parse is found",
      files: { "packages/base/src/a.ts": `${HEAD}const = ;` },
      finds: [/a\.ts:1: does not parse/],
    },
  ]);

  test("an exemption that is not needed is found", () => {
    const tree = treeOf(new Map([["packages/base/src/a.ts", HEAD]]));
    const findings = checkShape(tree, new Map([["packages/base/src/a.ts", "a table"]]));
    assert.match(formatFindings(findings), /a\.ts:1: is exempt from the length limit \(a table\) and need not be/);
  });
});

describe("banned constructs", () => {
  const banned: readonly [code: string, finds: RegExp][] = [
    ['console.log("x");', /only cli writes to a terminal/],
    ["const home = process.env.HOME;", /only cli reads the environment/],
    ["process.exit(1);", /set process\.exitCode/],
    ["const x = Math.random();", /Math\.random/],
    ["const now = Date.now();", /the clock/],
    ["const now = new Date();", /the clock/],
    ["const now = performance.now();", /the clock/],
    ['const f = new Function("return 1");', /new Function/],
    ['eval("1");', /eval/],
    ["const x = y as any;", /write unknown/],
    ["debugger;", /left over/],
    ["// TODO: later", /a note for later/],
    ["/* FIXME */", /a note for later/],
    ["// @ts-ignore", /a checker silenced/],
    ["// @ts-expect-error", /a checker silenced/],
  ];
  const rooms = { build: "packages/build/src/a.ts", dev: "dev/a.ts", test: "packages/build/test/a.test.ts" };
  for (const [code, finds] of banned) {
    test(`in a room, ${code} is found with what to do instead`, () => {
      const findings = checkBanned(treeOf(new Map([[rooms.build, `\n${code}`]])));
      assert.match(formatFindings(findings.slice(0, 1)), finds);
      assert.equal(findings[0].line, 2);
    });
  }

  checkCases(checkBanned, [
    {
      title: "a Node global in a browser room is found",
      files: { [rooms.build]: 'Buffer.from("x"); process.cwd();', "packages/sandbox/src/a.ts": 'Buffer.from("x");' },
      finds: [/build.*a Node global/, /build.*a Node global/],
    },
    {
      title: "cli may write, read the environment and the clock",
      files: { "packages/cli/src/a.ts": "console.log(process.env.HOME, Date.now()); process.exit(1);" },
      finds: [],
    },
    {
      title: "a date made from a value is no clock",
      files: { [rooms.build]: "const then = new Date(0);" },
      finds: [],
    },
    {
      title: "texts that look like a banned call are fine",
      files: { [rooms.build]: 'const text = "console.log(Math.random())"; const todo = `TODO`;' },
      finds: [],
    },
    {
      title: "leftovers in tests are found: console and only",
      files: { [rooms.test]: 'console.log(1); test.only("x", () => {});' },
      finds: [/only cli writes/, /silences the other tests/],
    },
    {
      title: "NEEDSWORK with its question is fine",
      files: { [rooms.build]: "// NEEDSWORK: is this limit the same on 32 bit?" },
      finds: [],
    },
  ]);
});

describe("package.json files", () => {
  const root = '{"devDependencies": {"fast-check": "4.10.2"}}';
  const room = (dependencies: string, devDependencies = "{}") => ({
    "package.json": root,
    "docs/decisions/0001-x.md": "`fast-check` and `lmdb`",
    "packages/store/README.md": "store",
    "packages/store/package.json": `{"name": "@firn/store", "dependencies": ${dependencies}, "devDependencies": ${devDependencies}}`,
  });
  checkCases(checkManifests, [
    {
      title: "what is imported is named, what is named is imported",
      files: {
        ...room('{"lmdb": "3.5.6", "@firn/base": "0.1.0"}'),
        "packages/store/src/a.ts": 'import { open } from "lmdb/sub"; import type { X } from "@firn/castore";',
        "packages/store/test/a.test.ts": 'import fc from "fast-check"; import { x } from "@firn/store";',
      },
      finds: [/imports @firn\/castore: name it/, /@firn\/base is in dependencies and never imported/],
    },
    {
      title: "what only a test imports is in devDependencies",
      files: {
        ...room("{}", '{"@firn/build": "0.1.0"}'),
        "packages/store/test/a.test.ts": 'import { x } from "@firn/eval";',
      },
      finds: [/a test imports @firn\/eval/, /@firn\/build is in devDependencies and no test imports it/],
    },
    {
      title: "a version that is not exact is found",
      files: { ...room('{"lmdb": "^3.5.6"}'), "packages/store/src/a.ts": 'import "lmdb";' },
      finds: [/lmdb: \^3\.5\.6 is not an exact version/],
    },
    {
      title: "a package without a decision page is found",
      files: { ...room('{"left-pad": "1.3.0"}'), "packages/store/src/a.ts": 'import "left-pad";' },
      finds: [/left-pad has no page in docs\/decisions/],
    },
    {
      title: "a room has its own name and a README",
      files: { "packages/store/package.json": '{"name": "store"}', "packages/store/src/a.ts": "" },
      finds: [/is named store, not @firn\/store/, /has no README\.md/],
    },
  ]);
});

describe("traces", () => {
  checkCases(checkTraces, [
    {
      title: "a registry, a fetched-from field, a secret, a path of one machine and a conflict mark are found",
      files: {
        ".npmrc": "fund=false\nregistry=https://packages.example/",
        "docs/a.md": "see registry.example.org",
        "package-lock.json": '{"resolved": "https://packages.example/x.tgz"}',
        "a.pem": "-----BEGIN PRIVATE KEY-----",
        "docs/b.md": "run /home/someone/firn/x",
        "docs/c.md": "<<<<<<< HEAD",
      },
      finds: [/\.npmrc:2: names a package/, /a\.md/, /where a package was/, /a secret/, /one machine/, /conflict/],
    },
    {
      title: "paths every machine has are fine, and so is the word registry",
      files: { "docs/a.md": "/nix/store, /tmp/x, /usr/bin/env, /homeless-shelter, a registry passed in" },
      finds: [],
    },
  ]);
});

describe("the tests that docs/security.md names", () => {
  const page = (cell: string) => `# Holes\n\n| hole | test |\n| --- | --- |\n| one | ${cell} |\n`;
  const tests =
    'describe("keys", () => { test("are read", f); for (const what of ["a cut one"]) test(`${what} is refused`, f); });';
  const withPage = (cell: string) => ({ "docs/security.md": page(cell), "packages/base/test/a.test.ts": tests });
  const link = "[a](../packages/base/test/a.test.ts)";
  checkCases(checkSecurity, [
    {
      title: "names that are there are fine, of templates and inside suites too",
      files: withPage(`${link}: “are read”, “keys > are read”, “keys > a cut one is refused”`),
      finds: [],
    },
    {
      title: "a name that is not there is found, also one that a template could make and does not",
      files: withPage(`${link}: “are written”, “locks > are read”, “a long one is refused”`),
      finds: [/^docs\/security\.md:5: .*“are written”/, /“locks > are read”/, /“a long one is refused”/],
    },
    {
      title: "a file that is not there and a row without a test are found",
      files: withPage("[b](../packages/base/test/b.test.ts)"),
      finds: [/there is no packages\/base\/test\/b\.test\.ts/, /names no test/],
    },
  ]);
});
