/*
Measuring commands: wall time, and CPU time of the whole process tree as the shell's `times` counts it, medians of a few runs. Firn and Nix
run in turns, first one and then the other, so that what else the machine does meets both; what is waiting for the disk is written out before each, since the
one that runs second would pay for the first. Nothing is kept: each side has a store of its own in a temporary directory.
*/

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const RUNS = Number(process.env.BENCH_RUNS ?? 5);
const THREAD_TIMES = join(import.meta.dirname, "thread-times.cjs");
const FIRN = resolve(import.meta.dirname, "../firn");

/** One command; `run` counts from 0 so that no two runs need to do the same. */
export type Command = (run: number) => readonly string[];
export type Row = {
  readonly what: string;
  readonly firn: Command;
  readonly nix: Command;
  /** How often, where that is not BENCH_RUNS. */
  readonly runs?: number;
  /** Whether each run begins with empty stores. */
  readonly fresh?: boolean;
};
type Times = { readonly wallMs: number; readonly cpuMs: number };
type Evaluation = { readonly what: string; readonly expression: string; readonly runs?: number };

/** Everything a benchmark needs of the machine; `remove` it at the end. */
export class Bench {
  readonly directory = mkdtempSync(join(tmpdir(), "firn-bench-"));
  readonly #firnEnv: NodeJS.ProcessEnv;
  /** What makes Nix use a store of its own, and where that is. */
  readonly nixEnv: NodeJS.ProcessEnv;
  readonly nixStoreDir: string;

  constructor() {
    const inside = (name: string) => join(this.directory, name);
    this.#makeStores();
    const common = { PATH: process.env.PATH, HOME: this.directory };
    this.nixStoreDir = inside("nix/store");
    this.#firnEnv = { ...common, FIRN_HOME: inside("firn") };
    this.nixEnv = {
      ...common,
      NIX_STORE_DIR: inside("nix/store"),
      NIX_STATE_DIR: inside("nix/var"),
      NIX_LOG_DIR: inside("nix/log"),
      NIX_CONF_DIR: inside("nix/etc"),
      NIX_CONFIG: "build-users-group =\nsandbox = false\nsubstitute = false",
    };
  }

  /** Makes the stores of both sides anew. */
  #makeStores(): void {
    for (const side of ["firn", "nix"]) removeTree(join(this.directory, side));
    for (const name of ["firn", "nix/store", "nix/var", "nix/etc"])
      mkdirSync(join(this.directory, name), { recursive: true });
  }

  /** Measures the rows and prints a table. */
  measure(title: string, rows: readonly Row[]): void {
    const lines = [`${title} (medians of ${RUNS} runs, ms: wall / CPU)`];
    for (const { what, firn, nix, runs = RUNS, fresh = false } of rows) {
      const ours: Times[] = [];
      const theirs: Times[] = [];
      for (let run = 0; run < runs; run++) {
        if (fresh) this.#makeStores();
        const sides = [
          () => ours.push(this.#time([FIRN, ...firn(run)], this.#firnEnv)),
          () => theirs.push(this.#time(nix(run), this.nixEnv)),
        ];
        for (const side of run % 2 === 0 ? sides : sides.reverse()) {
          execFileSync("sync");
          side();
        }
      }
      lines.push(`  ${what.padEnd(36)} firn ${shown(ours)}   nix ${shown(theirs)}`);
    }
    process.stdout.write(`${lines.join("\n")}\n`);
  }

  /**
   * Measures evaluations of files: CPU time of Firn's own threads (V8's helpers apart) and of all, beside Nix's one thread, and the peak of
   * resident memory; ratios are Firn's to Nix's.
   */
  evaluations(title: string, rows: readonly Evaluation[]): void {
    const lines = [
      `${title} (medians, CPU ms; MB)`,
      `  ${"".padEnd(36)}   nix  firn own   all |  own  all |  nix firn MB`,
    ];
    for (const { what, expression, runs = RUNS } of rows) {
      const file = join(this.directory, "expression.nix");
      writeFileSync(file, expression);
      const nix = ["nix-instantiate", "--eval", file];
      const firn = [FIRN, "eval", "-f", file];
      const report = join(this.directory, "threads");
      const threads = { ...this.#firnEnv, NODE_OPTIONS: `--require ${THREAD_TIMES}`, FIRN_BENCH_THREADS: report };
      this.#time(firn, this.#firnEnv); // code and compile caches are warm from here on
      const theirs: number[] = [];
      const own: number[] = [];
      const all: number[] = [];
      for (let run = 0; run < runs; run++) {
        const { cpuMs } = this.#time(firn, threads);
        all.push(cpuMs);
        own.push(cpuMs - Number(readFileSync(report, "utf8")));
        theirs.push(this.#time(nix, this.nixEnv).cpuMs);
      }
      const [n, o, a] = [theirs, own, all].map(median);
      const memory = [this.#peakMegabytes(nix, this.nixEnv), this.#peakMegabytes(firn, this.#firnEnv)];
      lines.push(
        `  ${what.padEnd(36)} ${column(n, 5)} ${column(o, 9)} ${column(a, 5)} | ${column(o / n, 4, 2)} ${column(a / n, 4, 2)} | ${column(memory[0], 4)} ${column(memory[1], 4)}`,
      );
    }
    process.stdout.write(`${lines.join("\n")}\n`);
  }

  /** The peak of resident memory, looked at every few milliseconds. */
  #peakMegabytes(command: readonly string[], side: NodeJS.ProcessEnv): number {
    const script =
      '"$@" >"$OUT" 2>&1 & pid=$!; while grep VmHWM /proc/$pid/status >"$PEAK.new" 2>/dev/null; do mv "$PEAK.new" "$PEAK"; sleep 0.01; done; wait $pid';
    const peak = join(this.directory, "peak");
    const env = { ...side, OUT: join(this.directory, "output"), PEAK: peak };
    execFileSync("sh", ["-c", script, "sh", ...command], { env, cwd: this.directory });
    return Number(/(\d+) kB/.exec(readFileSync(peak, "utf8"))?.[1] ?? Number.NaN) / 1024;
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
    removeTree(this.directory);
  }
}

/** Nix's store paths are read-only. */
function removeTree(path: string): void {
  if (!existsSync(path)) return;
  execFileSync("chmod", ["-R", "u+w", path]);
  rmSync(path, { recursive: true, force: true });
}

function shown(times: readonly Times[]): string {
  const middle = (values: number[]) => column(median(values), 5);
  return `${middle(times.map((one) => one.wallMs))} / ${middle(times.map((one) => one.cpuMs))}`;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

function column(value: number, width: number, digits = 0): string {
  return value.toFixed(digits).padStart(width);
}

/** Runs one benchmark with a Bench that is removed whatever happens. */
export async function bench(work: (bench: Bench) => void | Promise<void>): Promise<void> {
  const made = new Bench();
  try {
    await work(made);
  } finally {
    made.remove();
  }
}
