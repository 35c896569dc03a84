/*
The same evaluation again in one process, as an editor, a server or a test runner has it: CPU time of Firn's own threads for each, beside one
run of Nix. Files stay parsed in between, values are computed anew.
*/

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EvaluatorHost } from "../packages/cli/src/evaluator/host.ts";

const REPETITIONS = 6;
const tree = process.env.FIRN_NIXPKGS;
const inner = process.argv[2];

if (tree === undefined) process.stdout.write("repeat: FIRN_NIXPKGS names no nixpkgs tree, skipped\n");
else if (inner === undefined) outside(tree);
else await inside(inner);

function outside(nixpkgs: string): void {
  const text = `(import ${nixpkgs}/pkgs/top-level/impure.nix { system = "x86_64-linux"; config = { }; overlays = [ ]; }).hello.drvPath`;
  const script = 'nix-instantiate --eval -E "$1" >&2; times';
  const nix = [1, 2, 3].map(() => {
    const [, children = ""] = execFileSync("sh", ["-c", script, "sh", text], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).split("\n");
    return (
      [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, [, m, s]) => sum + Number(m) * 60 + Number(s), 0) * 1000
    );
  });
  // The flags of the launcher: they matter as much here.
  const launch = /^exec "\$node" ([^"]*)"/m.exec(readFileSync(join(import.meta.dirname, "../firn"), "utf8"));
  const flags = launch?.[1].split(/[\s\\]+/).filter((word) => word !== "") ?? [];
  process.stdout.write(`hello again and again (own threads, CPU ms; nix ${nix.sort((a, b) => a - b)[1].toFixed(0)}):`);
  const { status } = spawnSync(process.execPath, [...flags, import.meta.filename, text], { stdio: "inherit" });
  process.exitCode = status ?? 1;
}

async function inside(text: string): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "firn-bench-"));
  const host = new EvaluatorHost({
    storeDir: "/nix/store",
    searchPath: [],
    system: "x86_64-linux",
    homeDirectory: undefined,
    environment: {},
    currentTime: 0,
    localStore: undefined,
    codeCache: directory,
  });
  try {
    let before = ownThreadsMs();
    for (let n = 0; n < REPETITIONS; n++) {
      await host.request({
        source: { kind: "expression", text, baseDirectory: "/" },
        attrPaths: [],
        args: [],
        output: { kind: "value", strict: true, format: "nix" },
      });
      const after = ownThreadsMs();
      process.stdout.write(` ${(after - before).toFixed(0)}`);
      before = after;
    }
    process.stdout.write("\n");
  } finally {
    await host.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** CPU time of all threads but V8's helpers. */
function ownThreadsMs(): number {
  let sum = 0;
  for (const thread of readdirSync("/proc/self/task")) {
    if (readFileSync(`/proc/self/task/${thread}/comm`, "utf8").includes("V8Worker")) continue;
    sum += Number(readFileSync(`/proc/self/task/${thread}/schedstat`, "utf8").split(" ")[0]) / 1e6;
  }
  return sum;
}
