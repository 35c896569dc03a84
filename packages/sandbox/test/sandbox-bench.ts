/*
A sandbox under test: where its jobs come from and go to, what a known gap is. Jobs are small scripts of the sandbox's own /bin/sh, with a static
busybox as input where they need tools, so that a host without one still runs most of them.
*/

import assert from "node:assert/strict";
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test as nodeTest, type TestContext } from "node:test";
import type { Sandbox, SandboxJob, SandboxResult } from "@firn/build";
import { SEEN } from "../src/create-sandbox.ts";
import { PIPES, ROOTS } from "../src/launched-sandbox.ts";
import { findShell } from "../src/shell.ts";

export const never = new AbortController().signal;

type Ran = { readonly result: SandboxResult; readonly log: string; readonly files: Readonly<Record<string, string>> };

/** No job of a test takes that long, however busy the machine. */
const HANGS_AFTER_MS = 60_000;

export type SuiteOptions = {
  readonly skip?: string;
  /** What this sandbox cannot do, by the test's name, with the reason. Each must fail: what works is to be taken off the list. */
  readonly gaps?: Readonly<Record<string, string>>;
};

/** Registers a test of the suite. */
export type SuiteTest = (title: string, body: (context: TestContext) => Promise<void>) => void;

/** Registers a suite; `open` gets an empty state directory, `register` the bench, whose fields are there when tests run. */
export function sandboxSuite(
  name: string,
  open: (stateDir: string) => Promise<Sandbox>,
  { skip, gaps = {} }: SuiteOptions,
  register: (test: SuiteTest, bench: SandboxBench) => void,
): void {
  describe(name, skip === undefined ? {} : { skip }, () => {
    const titles = new Set<string>();
    const bench = new SandboxBench();
    before(async () => {
      await bench.open(open);
    });
    after(async () => {
      assert.deepEqual(await bench.jobsLeft(), [], "every run disposed of its directory");
      await rm(bench.work, { recursive: true });
      for (const title of Object.keys(gaps)) assert.ok(titles.has(title), `the gap is a test: ${title}`);
    });
    register((title, body) => {
      titles.add(title);
      if (gaps[title] === undefined) return void nodeTest(title, body);
      void nodeTest(`known gap: ${title}`, async (context) => {
        const fails = await body(context).then(
          () => false,
          () => true,
        );
        assert.ok(fails, "this works: take it off the list of gaps");
        context.diagnostic(gaps[title]);
      });
    }, bench);
  });
}

/** The sandbox and the directories of one suite. */
export class SandboxBench {
  work = "";
  state = "";
  sandbox!: Sandbox;
  /** An input with every tool of busybox at bin/, when the host has a static one. */
  #tools: { readonly path: string; readonly hostPath: string } | undefined;

  async open(open: (stateDir: string) => Promise<Sandbox>): Promise<void> {
    this.work = await mkdtemp(join(tmpdir(), "firn-sandbox-"));
    this.state = join(this.work, "state");
    await mkdir(this.state);
    this.sandbox = await open(this.state);
    const shell = await findShell();
    if (shell.kind !== "busybox") return;
    const bin = join(this.work, "tools", "bin");
    await mkdir(bin, { recursive: true });
    await writeFile(join(bin, "busybox"), await readFile(shell.files[0].hostPath), { mode: 0o755 });
    this.#tools = { path: "tools", hostPath: join(this.work, "tools") };
  }

  /** What there is below the state directory but for what all jobs share. */
  async jobsLeft(): Promise<string[]> {
    return (await readdir(this.state)).filter((name) => ![PIPES, ROOTS, SEEN].includes(name));
  }

  get tools(): { readonly path: string; readonly hostPath: string } {
    assert.ok(this.#tools, "asked for with needsTools");
    return this.#tools;
  }

  /** Skips the test, and says so, where the tools are missing. */
  needsTools(context: { skip(reason: string): void }): boolean {
    if (this.#tools === undefined) context.skip("the host has no static busybox");
    return this.#tools === undefined;
  }

  jobOf(script: string, more: Partial<SandboxJob> = {}): SandboxJob {
    return {
      inputs: [],
      argv: ["/bin/sh", "-c", script],
      env: [{ name: "PATH", value: "/tools/bin" }],
      files: [],
      workingDirectory: "build",
      outputs: [],
      network: false,
      shell: true,
      timeoutMs: HANGS_AFTER_MS,
      ...more,
    };
  }

  async runJob(job: SandboxJob, signal = never): Promise<Ran> {
    const log: Buffer[] = [];
    await using run = await this.sandbox.run(job, (bytes) => log.push(Buffer.from(bytes)), signal);
    const files: Record<string, string> = {};
    for (const path of run.result.outputs) {
      if (path !== undefined && (await lstat(path)).isFile())
        files[path.slice(path.indexOf("own/") + 4)] = await readFile(path, "latin1");
    }
    return { result: run.result, log: Buffer.concat(log).toString("latin1"), files };
  }

  run(script: string, more?: Partial<SandboxJob>, signal?: AbortSignal): Promise<Ran> {
    return this.runJob(this.jobOf(script, more), signal);
  }

  /** As `run`, with busybox' tools: `b cat x`. */
  runWithTools(script: string, more: Partial<SandboxJob> = {}, signal?: AbortSignal): Promise<Ran> {
    return this.runJob(this.withTools(script, more), signal);
  }

  withTools(script: string, more: Partial<SandboxJob> = {}): SandboxJob {
    const inputs = [...(more.inputs ?? []), this.tools];
    return this.jobOf(`b() { /tools/bin/busybox "$@"; }\n${script}`, { ...more, inputs });
  }
}

/** Processes whose root, arguments or log lie below a directory: those of jobs that are still alive. */
export async function processesNaming(directory: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid) || pid === String(process.pid)) continue;
    const log = await readlink(`/proc/${pid}/fd/1`).catch(() => "");
    if (log.startsWith(directory))
      found.push(`${pid} ${await readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => "")}`);
  }
  return found;
}
