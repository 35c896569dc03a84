/*
What every sandbox must do, whatever it is made of. Jobs are small scripts of the sandbox's own /bin/sh, with a static busybox as input where
they need tools, so that a host without one still runs most of them.
*/

import assert from "node:assert/strict";
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test as nodeTest, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Sandbox, SandboxJob, SandboxResult, SandboxRun } from "@firn/build";
import { findShell } from "../src/shell.ts";

const never = new AbortController().signal;

type Ran = { readonly result: SandboxResult; readonly log: string; readonly files: Readonly<Record<string, string>> };

export type ContractOptions = {
  readonly skip?: string;
  /** What this sandbox cannot do, by the test's name, with the reason. Each must fail: what works is to be taken off the list. */
  readonly gaps?: Readonly<Record<string, string>>;
};

/** Registers the suite; `open` gets an empty state directory. */
export function sandboxContract(
  name: string,
  open: (stateDir: string) => Promise<Sandbox>,
  { skip, gaps = {} }: ContractOptions = {},
): void {
  describe(`${name} as a sandbox`, skip === undefined ? {} : { skip }, () => {
    const titles = new Set<string>();
    const test = (title: string, body: (context: TestContext) => Promise<void>) => {
      titles.add(title);
      if (gaps[title] === undefined) return nodeTest(title, body);
      return nodeTest(`known gap: ${title}`, async (context) => {
        const fails = await body(context).then(
          () => false,
          () => true,
        );
        assert.ok(fails, "this works: take it off the list of gaps");
        context.diagnostic(gaps[title]);
      });
    };

    let work: string;
    let state: string;
    let sandbox: Sandbox;
    /** An input with every tool of busybox at bin/, when the host has a static one. */
    let tools: { readonly path: string; readonly hostPath: string } | undefined;

    before(async () => {
      work = await mkdtemp(join(tmpdir(), "firn-sandbox-"));
      state = join(work, "state");
      await mkdir(state);
      sandbox = await open(state);
      const shell = await findShell();
      if (shell.kind === "busybox") {
        const bin = join(work, "tools", "bin");
        await mkdir(bin, { recursive: true });
        await writeFile(join(bin, "busybox"), await readFile(shell.files[0].hostPath), { mode: 0o755 });
        tools = { path: "tools", hostPath: join(work, "tools") };
      }
    });
    after(async () => {
      for (const title of Object.keys(gaps)) assert.ok(titles.has(title), `the gap is a test: ${title}`);
      assert.deepEqual(await readdir(state), [], "every run disposed of its directory");
      await rm(work, { recursive: true });
    });

    const jobOf = (script: string, more: Partial<SandboxJob> = {}): SandboxJob => ({
      inputs: [],
      argv: ["/bin/sh", "-c", script],
      env: [{ name: "PATH", value: "/tools/bin" }],
      files: [],
      workingDirectory: "build",
      outputs: [],
      network: false,
      shell: true,
      ...more,
    });

    const runJob = async (job: SandboxJob, signal = never): Promise<Ran> => {
      const log: Buffer[] = [];
      await using run = await sandbox.run(job, (bytes) => log.push(Buffer.from(bytes)), signal);
      const files: Record<string, string> = {};
      for (const path of run.result.outputs) {
        if (path !== undefined && (await lstat(path)).isFile())
          files[path.slice(path.indexOf("root/") + 5)] = await readFile(path, "latin1");
      }
      return { result: run.result, log: Buffer.concat(log).toString("latin1"), files };
    };
    const run = (script: string, more?: Partial<SandboxJob>, signal?: AbortSignal) =>
      runJob(jobOf(script, more), signal);
    /** As `run`, with busybox' tools: `b cat x`. */
    const runWithTools = (script: string, more: Partial<SandboxJob> = {}, signal?: AbortSignal) =>
      run(
        `b() { /tools/bin/busybox "$@"; }\n${script}`,
        { ...more, inputs: [...(more.inputs ?? []), tools as NonNullable<typeof tools>] },
        signal,
      );
    const needsTools = (context: { skip(reason: string): void }): boolean => {
      if (tools === undefined) context.skip("the host has no static busybox");
      return tools === undefined;
    };

    test("a success yields its outputs, whole", async () => {
      const { result, files, log } = await run("echo made; echo first > /nix/store/a-x; echo second > /nix/store/b-y", {
        outputs: ["nix/store/a-x", "nix/store/b-y"],
      });
      assert.deepEqual(result.end, { reason: "succeeded" });
      assert.deepEqual(files, { "nix/store/a-x": "first\n", "nix/store/b-y": "second\n" });
      assert.equal(log, "made\n");
    });

    test("outputs may be directories and dangling symlinks, and lie in several directories", async (context) => {
      if (needsTools(context)) return;
      await using made = await sandbox.run(
        jobOf("/tools/bin/busybox mkdir /nix/store/d; /tools/bin/busybox ln -s /nowhere /other/place/s", {
          inputs: [tools as NonNullable<typeof tools>],
          outputs: ["nix/store/d", "other/place/s"],
        }),
        () => {},
        never,
      );
      assert.deepEqual(made.result.end, { reason: "succeeded" });
      const [directory, link] = made.result.outputs as string[];
      assert.ok((await lstat(directory)).isDirectory());
      assert.equal(await readlink(link), "/nowhere");
    });

    test("an exit code is reported as such", async () => {
      assert.deepEqual((await run("exit 42")).result.end, { reason: "exit-code", code: 42 });
    });

    test("a builder that a signal killed is told apart", async () => {
      assert.deepEqual((await run("kill -SEGV $$; exit 3")).result.end, { reason: "signal", signal: "SIGSEGV" });
      assert.deepEqual((await run("kill -9 $$; exit 3")).result.end, { reason: "signal", signal: "SIGKILL" });
    });

    test("a program that is not there ends with 127 and a word in the log", async () => {
      const { result, log } = await runJob(jobOf("", { argv: ["/nix/store/none/bin/x"] }));
      assert.deepEqual(result.end, { reason: "exit-code", code: 127 });
      assert.match(log, /the builder cannot be executed: it is missing/);
    });

    test("a program is started under the name the job says, and nothing shows how", async (context) => {
      const { log } = await runJob(jobOf("echo $0", { argv0: "it's \xff/sh" }));
      assert.equal(log, "it's \xff/sh\n");
      if (needsTools(context)) return;
      const inputs = [tools as NonNullable<typeof tools>];
      const listed = await runJob({ ...jobOf(""), inputs, argv: ["/tools/bin/busybox", "/proc/self/fd"], argv0: "ls" });
      assert.equal(listed.log, "0\n1\n2\n3\n");
      const missing = await runJob(jobOf("", { argv: ["/nix/store/none/bin/x"], argv0: "x" }));
      assert.deepEqual(missing.result.end, { reason: "exit-code", code: 127 });
      assert.match(missing.log, /the builder cannot be executed: it is missing/);
    });

    test("an output that was not made is undefined", async () => {
      const { result } = await run("echo > /nix/store/b", { outputs: ["nix/store/a", "nix/store/b"] });
      assert.deepEqual(result.end, { reason: "succeeded" });
      assert.equal(result.outputs[0], undefined);
      assert.match(result.outputs[1] as string, /nix\/store\/b$/);
    });

    test("the environment is what was given and nothing else", async (context) => {
      if (needsTools(context)) return;
      const env = [
        { name: "A b-c.d", value: "strange name" },
        { name: "EMPTY", value: "" },
        { name: "LINES", value: "a\nb 'c' \"d\" $e\n" },
        { name: "PATH", value: "/path-not-set" },
        { name: "RAW", value: "\xff\xfe\x01" },
      ];
      process.env.FIRN_LEAK = "leaked";
      const { files } = await runJob({
        ...jobOf(""),
        inputs: [tools as NonNullable<typeof tools>],
        argv: ["/tools/bin/busybox", "dd", "if=/proc/self/environ", "of=/nix/store/env", "status=none"],
        env,
        outputs: ["nix/store/env"],
      });
      delete process.env.FIRN_LEAK;
      const seen = files["nix/store/env"].split("\0").slice(0, -1).sort();
      assert.deepEqual(seen, ["PWD=/build", ...env.map(({ name, value }) => `${name}=${value}`)].sort());
    });

    test("arguments arrive byte for byte", async () => {
      const argv = [
        "/bin/sh",
        "-c",
        'for x; do printf "[%s]" "$x"; done > /nix/store/args',
        "name",
        "",
        "it's",
        "a\nb",
        "\xff\x80",
        "$x `y` \\",
        "--",
        "-c",
      ];
      const { files } = await runJob(jobOf("", { argv, outputs: ["nix/store/args"] }));
      assert.equal(files["nix/store/args"], "[][it's][a\nb][\xff\x80][$x `y` \\][--][-c]");
    });

    test("a megabyte of environment and arguments passes", async () => {
      const env = Array.from({ length: 10 }, (_, i) => ({ name: `V${i}`, value: "e".repeat(50_000) }));
      const argv = [
        "/bin/sh",
        "-c",
        'echo ${#V0} ${#V9} $# "${#1}"',
        "name",
        ...Array.from({ length: 10 }, () => "a".repeat(50_000)),
      ];
      const { result, log } = await runJob(jobOf("", { env, argv }));
      assert.deepEqual(result.end, { reason: "succeeded" });
      assert.equal(log, "50000 50000 10 50000\n");
    });

    test("files are written before the start, and may be changed in the working directory", async () => {
      const { result, files } = await run(
        "read x < build.txt; read y < /extra/deep/f; echo $x $y > /nix/store/o; echo more >> build.txt",
        {
          files: [
            { path: "build/build.txt", contents: "here\n" },
            { path: "extra/deep/f", contents: "\xe9\n" },
          ],
          outputs: ["nix/store/o"],
        },
      );
      assert.deepEqual(result.end, { reason: "succeeded" });
      assert.equal(files["nix/store/o"], "here \xe9\n");
    });

    test("inputs are there, read-only: directories, files and symlinks", async () => {
      const input = join(work, "input");
      await mkdir(input, { recursive: true });
      await writeFile(join(input, "f"), "data\n");
      await symlink("/nix/store/in-d/f", join(work, "link")).catch(() => {});
      const script = `
        read a < /nix/store/in-d/f; read b < /nix/store/in-f; read c < /nix/store/in-l; echo $a $b $c
        (echo x > /nix/store/in-d/f) 2> /dev/null && echo written
        (echo x > /nix/store/in-d/new) 2> /dev/null && echo written
        (echo x > /nix/store/in-f) 2> /dev/null && echo written
        (echo x > /new) 2> /dev/null && echo written
        (echo x > /etc/passwd) 2> /dev/null && echo written
        (echo x > /bin/sh) 2> /dev/null && echo written
        exit 0`;
      const inputs = [
        { path: "nix/store/in-d", hostPath: input },
        { path: "nix/store/in-f", hostPath: join(input, "f") },
        { path: "nix/store/in-l", hostPath: join(work, "link") },
      ];
      const { log } = await run(script, { inputs, outputs: ["nix/store/o"] });
      assert.equal(log, "data data data\n");
      assert.equal(await readFile(join(input, "f"), "utf8"), "data\n");
    });

    test("inputs cannot be changed by their owner's rights either, nor linked into an output", async (context) => {
      if (needsTools(context)) return;
      const input = join(work, "owned");
      await writeFile(input, "data\n", { mode: 0o444 });
      const script = `
        b chmod 777 /nix/store/in 2> /dev/null && echo changed
        b touch /nix/store/in 2> /dev/null && echo touched
        b rm -f /nix/store/in 2> /dev/null && echo removed
        b mv /nix/store/in /nix/store/moved 2> /dev/null && echo moved
        b ln /nix/store/in /nix/store/o 2> /dev/null && echo linked
        exit 0`;
      const { log } = await runWithTools(script, {
        inputs: [{ path: "nix/store/in", hostPath: input }],
        outputs: ["nix/store/o"],
      });
      assert.equal(log, "");
      assert.equal((await stat(input)).mode & 0o777, 0o444);
    });

    test("only declared inputs and the sandbox's own files are visible", async (context) => {
      if (needsTools(context)) return;
      const { log } = await runWithTools(`
        b ls -A / /etc
        for x in /etc/shadow /root /home /usr /var /work /tmp/*; do [ -e $x ] && echo visible $x; done
        b cat /etc/passwd /etc/group; b hostname; b id -u; b id -g`);
      const [roots, users] = [log.slice(0, log.indexOf("root:x")), log.slice(log.indexOf("root:x"))];
      const listed = roots.split("\n").filter((line) => line !== "" && line !== ".old"); // .old: see unshare.ts, empty
      const own = ["/:", "bin", "build", "dev", "etc", "proc", "tmp", "tools", "/etc:", "group", "hosts", "passwd"];
      assert.deepEqual(listed, own);
      assert.match(users, /^root:x:0:0:Nix build user:\/build:\/noshell\nnixbld:x:1000:100:/);
      assert.match(users, /localhost\n1000\n100\n$/);
    });

    test("the build directory is empty, private and the working directory; /tmp is writable", async (context) => {
      if (needsTools(context)) return;
      const { log } = await runWithTools(
        "pwd; b stat -c %a .; b ls -A . /tmp | b grep -v :; echo x > /tmp/f; echo x > f; b cat f /tmp/f",
      );
      assert.deepEqual(log.split("\n").filter(Boolean), ["/build", "700", "x", "x"]);
    });

    test("there is no network unless asked, and no way to the host's abstract sockets", async (context) => {
      if (needsTools(context)) return;
      const server = createServer((socket) => socket.end("reached\n"));
      const port = await new Promise<number>((resolve) => {
        server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
      });
      try {
        const script = `b nc -w 2 127.0.0.1 ${port} < /dev/null 2> /dev/null; b ls /sys 2> /dev/null; b awk 'NR > 2 { print $1 }' /proc/net/dev`;
        assert.equal((await runWithTools(script)).log, "lo:\n");
        const asked = await runWithTools(`${script}; [ -e /etc/nsswitch.conf ] && echo resolver`, { network: true });
        assert.match(asked.log, /^reached\n/);
        assert.match(asked.log, /resolver\n$/);
      } finally {
        server.close();
      }
    });

    test("the builder has no capabilities and sees only its own processes", async (context) => {
      if (needsTools(context)) return;
      const { log } = await runWithTools(
        "b grep -E 'Cap(Eff|Prm|Amb)' /proc/self/status; b cat /proc/[0-9]*/cmdline | b tr '\\0' ' ' | b grep -c '[n]ode-linux'",
      );
      assert.deepEqual(
        log.match(/Cap\w+:\t(\w+)/g)?.map((line) => Number.parseInt(line.slice(8), 16)),
        [0, 0, 0],
      );
      assert.match(log, /\n0\n$/);
    });

    test("no descriptor beyond 0 to 2 is open", async (context) => {
      if (needsTools(context)) return;
      const { log } = await runJob({
        ...jobOf(""),
        inputs: [tools as NonNullable<typeof tools>],
        argv: ["/tools/bin/busybox", "ls", "/proc/self/fd"],
      });
      assert.equal(log, "0\n1\n2\n3\n"); // 3 is what ls reads the directory by
    });

    test("stdout and stderr keep their order, stdin is empty, /dev/stderr can be opened", async () => {
      const { log } = await run("echo 1; echo 2 >&2; echo 3; echo 4 > /dev/stderr; echo 5; read x || echo end");
      assert.equal(log, "1\n2\n3\n4\n5\nend\n");
    });

    test("a log of several megabytes arrives whole", async (context) => {
      if (needsTools(context)) return;
      const { log } = await runWithTools("b seq 1 500000");
      assert.equal(log.length, 3_388_895);
      assert.ok(log.endsWith("499999\n500000\n"));
    });

    test("processes left in the background do not outlive the builder", async () => {
      const { result } = await run(
        "(trap '' TERM HUP; while :; do echo tick; read -t 1 x < /dev/zero; done) & echo $!; exit 0",
      );
      assert.deepEqual(result.end, { reason: "succeeded" });
      assert.deepEqual(await processesNaming(state), []);
    });

    test("cancelling ends everything", async () => {
      const cancelled = new AbortController();
      const began = Promise.withResolvers<void>();
      const running = sandbox.run(
        jobOf("trap '' TERM INT; (while :; do :; done) & echo began; while :; do :; done"),
        () => began.resolve(),
        cancelled.signal,
      );
      await began.promise;
      assert.notDeepEqual(await processesNaming(state), []);
      cancelled.abort(new Error("enough"));
      await using ended: SandboxRun = await running;
      assert.deepEqual(ended.result.end, { reason: "cancelled" });
      assert.deepEqual(await processesNaming(state), []);
    });

    test("cancelling before and during the setup is heard", async () => {
      assert.deepEqual((await run("echo ran", {}, AbortSignal.abort())).result.end, { reason: "cancelled" });
      for (const delayMs of [0, 5, 15, 30]) {
        const cancelled = new AbortController();
        const running = run("while :; do :; done", {}, cancelled.signal);
        await sleep(delayMs);
        cancelled.abort();
        assert.deepEqual((await running).result.end, { reason: "cancelled" });
      }
      assert.deepEqual(await processesNaming(state), []);
    });

    test("a build that takes too long ends with `timeout`", async () => {
      const { result } = await run("while :; do echo busy; done", { timeoutMs: 300 });
      assert.deepEqual(result.end, { reason: "timeout", afterMs: 300 });
    });

    test("a build that says nothing ends with `silence`, one that does not", async (context) => {
      if (needsTools(context)) return;
      const silent = await runWithTools("echo last; b sleep 60", { silenceMs: 1500 });
      assert.deepEqual(silent.result.end, { reason: "silence", afterMs: 1500 });
      assert.equal(silent.log, "last\n");
      const talking = await runWithTools("for i in 1 2 3 4 5 6; do b sleep 0.4; echo $i; done", { silenceMs: 1500 });
      assert.deepEqual(talking.result.end, { reason: "succeeded" });
    });

    test("a log that passes its limit ends with `log-limit`, cut there", async () => {
      const { result, log } = await run("while :; do echo 0123456789; done", { logBytesMax: 100_005 });
      assert.deepEqual(result.end, { reason: "log-limit", bytesMax: 100_005 });
      assert.equal(log.length, 100_005);
      const within = await run("echo 0123456789", { logBytesMax: 11 });
      assert.deepEqual(within.result.end, { reason: "succeeded" });
    });

    test("filling the build space ends with `out-of-space`, by one file or many, caught or not", async (context) => {
      if (needsTools(context)) return;
      const buildSpaceBytes = 8 * 1024 * 1024;
      const expected = { reason: "out-of-space", bytesMax: buildSpaceBytes };
      const one = await runWithTools("b dd if=/dev/zero of=big bs=1M count=100; exit 1", { buildSpaceBytes });
      assert.deepEqual(one.result.end, expected);
      const many = await runWithTools(
        "i=0; while [ $i -lt 200 ]; do i=$((i + 1)); b dd if=/dev/zero of=/nix/store/$i bs=1M count=1; done; exit 0",
        {
          buildSpaceBytes,
          outputs: ["nix/store/1"],
        },
      );
      assert.deepEqual(many.result.end, expected);
      const ignored = await runWithTools(
        "b dd if=/dev/zero of=a bs=1M count=7; b dd if=/dev/zero of=/tmp/b bs=1M count=7; exit 0",
        { buildSpaceBytes },
      );
      assert.deepEqual(ignored.result.end, expected);
    });

    test("a build within its space succeeds, inputs not counted", async (context) => {
      if (needsTools(context)) return;
      const { result } = await runWithTools("b dd if=/dev/zero of=small bs=1M count=1 2> /dev/null", {
        buildSpaceBytes: 2 * 1024 * 1024,
      });
      assert.deepEqual(result.end, { reason: "succeeded" });
    });

    test("directories without permissions, odd names and very deep trees are disposed of, symlinks not followed", async (context) => {
      if (needsTools(context)) return;
      const precious = join(work, "precious");
      await mkdir(precious);
      await writeFile(join(precious, "f"), "kept");
      const script = `
        b mkdir -p a/b/c; echo x > a/b/c/f; b chmod 000 a/b/c a/b a
        b ln -s ${precious} link; b mkdir "$(printf '\\377\\n')"
        n=$(b printf '%0200d' 0); i=0; while [ $i -lt 40 ]; do b mkdir $n && cd $n; i=$((i + 1)); done
        cd /; b chmod 000 /build`;
      assert.deepEqual((await runWithTools(script)).result.end, { reason: "succeeded" });
      assert.deepEqual(await readdir(state), []);
      assert.equal(await readFile(join(precious, "f"), "utf8"), "kept");
    });

    test("the directory of a job is private on the host", async () => {
      await using made = await sandbox.run(jobOf("echo > /nix/store/o", { outputs: ["nix/store/o"] }), () => {}, never);
      const [job] = await readdir(state);
      assert.equal((await stat(join(state, job))).mode & 0o777, 0o700);
      assert.ok(made.result.outputs[0]?.startsWith(join(state, job)));
    });

    test("a hundred inputs are shown", async (context) => {
      if (needsTools(context)) return;
      const file = join(work, "many");
      await writeFile(file, "");
      const inputs = Array.from({ length: 100 }, (_, i) => ({ path: `nix/store/${i}`, hostPath: file }));
      assert.equal((await runWithTools("b ls /nix/store | b wc -l", { inputs })).log, "100\n");
    });

    test("without a shell there is none", async () => {
      const { result } = await run("echo ran", { shell: false });
      assert.deepEqual(result.end, { reason: "exit-code", code: 127 });
    });

    test("a job that cannot be set up rejects and leaves nothing", async () => {
      await assert.rejects(
        run("echo ran", { inputs: [{ path: "nix/store/in", hostPath: join(work, "nothing") }] }),
        /ENOENT|no such file/i,
      );
      assert.deepEqual(await readdir(state), []);
    });

    test("jobs run side by side without seeing each other", async () => {
      const jobs = [1, 2, 3].map((i) =>
        run(`echo ${i} > f; read x < f; echo $x > /nix/store/o`, { outputs: ["nix/store/o"] }),
      );
      assert.deepEqual(
        (await Promise.all(jobs)).map(({ files }) => files["nix/store/o"]),
        ["1\n", "2\n", "3\n"],
      );
    });
  });
}

/** Processes whose root, arguments or log lie below a directory: those of jobs that are still alive. */
async function processesNaming(directory: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid) || pid === String(process.pid)) continue;
    const log = await readlink(`/proc/${pid}/fd/1`).catch(() => "");
    if (log.startsWith(directory))
      found.push(`${pid} ${await readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => "")}`);
  }
  return found;
}
