/*
Measuring commands: wall time, and CPU time of the whole process tree as the shell's `times` counts it, medians of a few runs. Firn and Nix
run in turns, so that what else the machine does meets both. Nothing is kept: each side has a store of its own in a temporary directory.
*/

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const RUNS = Number(process.env.BENCH_RUNS ?? 5);
const FIRN = resolve(import.meta.dirname, "../firn");

/** One command; `run` counts from 0 so that no two runs need to do the same. */
export type Command = (run: number) => readonly string[];
export type Row = { readonly what: string; readonly firn: Command; readonly nix: Command };
type Times = { readonly wallMs: number; readonly cpuMs: number };

/** Everything a benchmark needs of the machine; `remove` it at the end. */
export class Bench {
  readonly directory = mkdtempSync(join(tmpdir(), "firn-bench-"));
  readonly #firnEnv: NodeJS.ProcessEnv;
  readonly #nixEnv: NodeJS.ProcessEnv;

  constructor() {
    const inside = (name: string) => join(this.directory, name);
    for (const name of ["firn", "nix/store", "nix/var", "nix/etc"]) mkdirSync(inside(name), { recursive: true });
    const common = { PATH: process.env.PATH, HOME: this.directory };
    this.#firnEnv = { ...common, FIRN_HOME: inside("firn") };
    this.#nixEnv = {
      ...common,
      NIX_STORE_DIR: inside("nix/store"),
      NIX_STATE_DIR: inside("nix/var"),
      NIX_LOG_DIR: inside("nix/log"),
      NIX_CONF_DIR: inside("nix/etc"),
      NIX_CONFIG: "build-users-group =\nsandbox = false\nsubstitute = false",
    };
  }

  /** Measures the rows and prints a table. */
  measure(title: string, rows: readonly Row[]): void {
    const lines = [`${title} (medians of ${RUNS} runs, ms: wall / CPU)`];
    for (const { what, firn, nix } of rows) {
      const ours: Times[] = [];
      const theirs: Times[] = [];
      for (let run = 0; run < RUNS; run++) {
        ours.push(this.#time([FIRN, ...firn(run)], this.#firnEnv));
        theirs.push(this.#time(nix(run), this.#nixEnv));
      }
      lines.push(`  ${what.padEnd(36)} firn ${shown(ours)}   nix ${shown(theirs)}`);
    }
    process.stdout.write(`${lines.join("\n")}\n`);
  }

  #time(command: readonly string[], side: NodeJS.ProcessEnv): Times {
    const script = '"$@" >"$OUT" 2>&1 || { cat "$OUT" >&2; exit 1; }; times';
    const env = { ...side, OUT: join(this.directory, "output") };
    const from = performance.now();
    const text = execFileSync("sh", ["-c", script, "sh", ...command], { env, encoding: "utf8", cwd: this.directory });
    const wallMs = performance.now() - from;
    // The second line is the children's: `0m0.012s 0m0.003s`.
    const [, children = ""] = text.trim().split("\n");
    const parts = [...children.matchAll(/(\d+)m([\d.]+)s/g)].map(
      ([, minutes, seconds]) => Number(minutes) * 60 + Number(seconds),
    );
    return { wallMs, cpuMs: parts.reduce((sum, part) => sum + part, 0) * 1000 };
  }

  remove(): void {
    execFileSync("chmod", ["-R", "u+w", this.directory]);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function shown(times: readonly Times[]): string {
  const median = (values: number[]) =>
    values
      .sort((a, b) => a - b)
      [values.length >> 1].toFixed(0)
      .padStart(5);
  return `${median(times.map((one) => one.wallMs))} / ${median(times.map((one) => one.cpuMs))}`;
}

/** Runs one benchmark with a Bench that is removed whatever happens. */
export function bench(work: (bench: Bench) => void): void {
  const made = new Bench();
  try {
    work(made);
  } finally {
    made.remove();
  }
}
