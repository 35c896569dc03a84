/* Which archives the sources of packages are asked of. */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { sourceLines } from "../debian-source.ts";

test("sources are asked of Debian's archives in both of apt's formats, and of no other's", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "firn-apt-"));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "sources.list.d"));
  const write = (file: string, text: string) => writeFileSync(join(folder, file), text);
  write(
    "sources.list",
    `# deb http://old.example/debian stable main
deb [signed-by=/k.gpg] http://one.example/debian stable main contrib
deb-src http://one.example/debian stable main
deb http://vendor.example/tools stable main
`,
  );
  write("sources.list.d/off.sources", "Enabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: x\n");
  write(
    "sources.list.d/debian.sources",
    `Types: deb
URIs: http://two.example/debian/
Suites: stable stable-updates
Components: main
Signed-By: /keys.gpg

Types: deb
URIs: http://two.example/debian-security
Suites: stable-security
Components: main
`,
  );
  assert.deepEqual(sourceLines(folder), [
    "deb-src [signed-by=/k.gpg] http://one.example/debian stable main contrib",
    "deb-src [signed-by=/keys.gpg] http://two.example/debian/ stable main",
    "deb-src [signed-by=/keys.gpg] http://two.example/debian/ stable-updates main",
    "deb-src http://two.example/debian-security stable-security main",
  ]);
});
