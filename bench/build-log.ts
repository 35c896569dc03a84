/*
What a log costs: one builder that computes for some seconds and prints 100 MB meanwhile, beside the same one printing to /dev/null. BENCH_LOG_SECONDS
is about how long it computes (20). All lines are shown, since stderr is no terminal here.
*/

import { spawn } from "node:child_process";
import { openSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { bench } from "./measure.ts";

const FIRN = resolve(import.meta.dirname, "../firn");
const SECONDS = Number(process.env.BENCH_LOG_SECONDS ?? 20);
const RUNS = Number(process.env.BENCH_RUNS ?? 3);
/** Lines of a block, blocks of a log: 100 MB. */
const LINES = 10;
const BLOCKS = 105_000;
/** Turns of an empty loop of busybox's shell in a second, about. */
const TURNS = 600_000;
const TICKS = 100;

type Costs = { readonly wallMs: number; readonly cpuMs: number; readonly megabytes: number };

await bench(async ({ directory }) => {
  const file = join(directory, "log.nix");
  const line =
    "a line of a log, one of very many of its kind, as compilers like to print when they are told to say all";
  const block = Array.from({ length: LINES }, () => line.slice(0, 94)).join("\n");
  const turns = Math.round((SECONDS * TURNS) / BLOCKS);
  const script = `i=0; while [ $i -lt ${BLOCKS} ]; do echo "${block}"; i=$((i+1)); j=0; while [ $j -lt ${turns} ]; do j=$((j+1)); done; done > $to; echo > $out`;
  writeFileSync(
    file,
    `{ n, to }: derivation { name = "log-\${n}"; inherit to; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" ${JSON.stringify(script).replaceAll("$", "\\$")} ]; }`,
  );
  const rows = { "/dev/null": [] as Costs[], "/dev/stdout": [] as Costs[] };
  for (let run = 0; run < RUNS; run++) {
    for (const to of run % 2 === 0 ? (["/dev/null", "/dev/stdout"] as const) : (["/dev/stdout", "/dev/null"] as const))
      rows[to].push(
        await costsOf(["build", "--no-link", file, "--argstr", "n", `${run}-${to.slice(5)}`, "--argstr", "to", to]),
      );
  }
  const [none, all] = [rows["/dev/null"], rows["/dev/stdout"]].map(middle);
  const lines = [
    `a builder that prints 100 MB (medians of ${RUNS} runs: ms wall / CPU of firn and the builder, peak MB)`,
  ];
  for (const [what, { wallMs, cpuMs, megabytes }] of [
    ["to /dev/null", none],
    ["to its log", all],
  ] as const)
    lines.push(`  ${what.padEnd(16)} ${wallMs.toFixed(0)} / ${cpuMs.toFixed(0)}   ${megabytes.toFixed(0)}`);
  lines.push(
    `  ${"more".padEnd(16)} ${percent(all.wallMs / none.wallMs)} / ${percent(all.cpuMs / none.cpuMs)}   ${(all.megabytes - none.megabytes).toFixed(0)}`,
  );
  process.stdout.write(`${lines.join("\n")}\n`);

  async function costsOf(args: readonly string[]): Promise<Costs> {
    const output = openSync(join(directory, "output"), "w");
    const env = { PATH: process.env.PATH, HOME: directory, FIRN_HOME: join(directory, "firn") };
    const from = performance.now();
    const cpuFrom = childTicks();
    const child = spawn(FIRN, args, { env, cwd: directory, stdio: ["ignore", output, output] });
    let megabytes = 0;
    const looking = setInterval(() => {
      megabytes = Math.max(megabytes, peakMegabytes(child.pid as number));
    }, 10);
    const code = await new Promise((ended) => child.once("exit", ended));
    clearInterval(looking);
    if (code !== 0) throw new Error(readFileSync(join(directory, "output"), "utf8").slice(-2000));
    return { wallMs: performance.now() - from, cpuMs: ((childTicks() - cpuFrom) * 1000) / TICKS, megabytes };
  }
});

/** User and system time of all children that were waited for. */
function childTicks(): number {
  const stat = readFileSync("/proc/self/stat", "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[13]) + Number(fields[14]);
}

function peakMegabytes(pid: number): number {
  try {
    return Number(/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) / 1024;
  } catch {
    return 0; // gone
  }
}

function middle(all: readonly Costs[]): Costs {
  const of = (field: keyof Costs) => all.map((one) => one[field]).sort((a, b) => a - b)[all.length >> 1];
  return { wallMs: of("wallMs"), cpuMs: of("cpuMs"), megabytes: of("megabytes") };
}

function percent(ratio: number): string {
  return `${((ratio - 1) * 100).toFixed(1)} %`;
}
