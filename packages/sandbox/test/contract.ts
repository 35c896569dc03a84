/*
What every sandbox must do, whatever it is made of, as far as builds are concerned that mean no harm; security.ts has the others.
*/

import assert from "node:assert/strict";
import { lstat, mkdir, readFile, readlink, stat, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Sandbox, SandboxRun } from "@firn/build";
import { openCgroups } from "../src/cgroups.ts";
import { never, processesNaming, sandboxSuite, type SuiteOptions } from "./sandbox-bench.ts";

/** Registers the suite; `open` gets an empty state directory. */
export function sandboxContract(
  name: string,
  open: (stateDir: string) => Promise<Sandbox>,
  options: SuiteOptions = {},
): void {
  sandboxSuite(`${name} as a sandbox`, open, options, (test, bench) => {
    test("a success yields its outputs, whole", async () => {
      const { result, files, log } = await bench.run(
        "echo made; echo first > /nix/store/a-x; echo second > /nix/store/b-y",
        {
          outputs: ["nix/store/a-x", "nix/store/b-y"],
        },
      );
      assert.deepEqual(result.end, { reason: "succeeded" });
      assert.deepEqual(files, { "nix/store/a-x": "first\n", "nix/store/b-y": "second\n" });
      assert.equal(log, "made\n");
    });

    test("outputs may be directories and dangling symlinks, and lie in several directories", async (context) => {
      if (bench.needsTools(context)) return;
      await using made = await bench.sandbox.run(
        bench.jobOf("/tools/bin/busybox mkdir /nix/store/d; /tools/bin/busybox ln -s /nowhere /other/place/s", {
          inputs: [bench.tools],
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
      assert.deepEqual((await bench.run("exit 42")).result.end, { reason: "exit-code", code: 42 });
    });

    test("a builder that a signal killed is told apart", async () => {
      assert.deepEqual((await bench.run("kill -SEGV $$; exit 3")).result.end, { reason: "signal", signal: "SIGSEGV" });
      assert.deepEqual((await bench.run("kill -9 $$; exit 3")).result.end, { reason: "signal", signal: "SIGKILL" });
    });

    test("a program that is not there ends with 127 and a word in the log", async () => {
      const { result, log } = await bench.runJob(bench.jobOf("", { argv: ["/nix/store/none/bin/x"] }));
      assert.deepEqual(result.end, { reason: "exit-code", code: 127 });
      assert.match(log, /the builder cannot be executed: it is missing/);
    });

    test("a program is started under the name the job says, and nothing shows how", async (context) => {
      const { log } = await bench.runJob(bench.jobOf("echo $0", { argv0: "it's \xff/sh" }));
      assert.equal(log, "it's \xff/sh\n");
      if (bench.needsTools(context)) return;
      const inputs = [bench.tools];
      const listed = await bench.runJob({
        ...bench.jobOf(""),
        inputs,
        argv: ["/tools/bin/busybox", "/proc/self/fd"],
        argv0: "ls",
      });
      assert.equal(listed.log, "0\n1\n2\n3\n");
      const missing = await bench.runJob(bench.jobOf("", { argv: ["/nix/store/none/bin/x"], argv0: "x" }));
      assert.deepEqual(missing.result.end, { reason: "exit-code", code: 127 });
      assert.match(missing.log, /the builder cannot be executed: it is missing/);
    });

    test("an output that was not made is undefined", async () => {
      const { result } = await bench.run("echo > /nix/store/b", { outputs: ["nix/store/a", "nix/store/b"] });
      assert.deepEqual(result.end, { reason: "succeeded" });
      assert.equal(result.outputs[0], undefined);
      assert.match(result.outputs[1] as string, /nix\/store\/b$/);
    });

    test("the environment is what was given and nothing else", async (context) => {
      if (bench.needsTools(context)) return;
      const env = [
        { name: "A b-c.d", value: "strange name" },
        { name: "EMPTY", value: "" },
        { name: "LINES", value: "a\nb 'c' \"d\" $e\n" },
        { name: "PATH", value: "/path-not-set" },
        { name: "RAW", value: "\xff\xfe\x01" },
      ];
      process.env.FIRN_LEAK = "leaked";
      const { files } = await bench.runJob({
        ...bench.jobOf(""),
        inputs: [bench.tools],
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
      const { files } = await bench.runJob(bench.jobOf("", { argv, outputs: ["nix/store/args"] }));
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
      const { result, log } = await bench.runJob(bench.jobOf("", { env, argv }));
      assert.deepEqual(result.end, { reason: "succeeded" });
      assert.equal(log, "50000 50000 10 50000\n");
    });

    test("files are written before the start, and may be changed in the working directory", async () => {
      const { result, files } = await bench.run(
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
      const input = join(bench.work, "input");
      await mkdir(input, { recursive: true });
      await writeFile(join(input, "f"), "data\n");
      await symlink("/nix/store/in-d/f", join(bench.work, "link")).catch(() => {});
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
        { path: "nix/store/in-l", hostPath: join(bench.work, "link") },
      ];
      const { log } = await bench.run(script, { inputs, outputs: ["nix/store/o"] });
      assert.equal(log, "data data data\n");
      assert.equal(await readFile(join(input, "f"), "utf8"), "data\n");
    });

    test("inputs cannot be changed by their owner's rights either, nor linked into an output", async (context) => {
      if (bench.needsTools(context)) return;
      const input = join(bench.work, "owned");
      await writeFile(input, "data\n", { mode: 0o444 });
      const script = `
        b chmod 777 /nix/store/in 2> /dev/null && echo changed
        b touch /nix/store/in 2> /dev/null && echo touched
        b rm -f /nix/store/in 2> /dev/null && echo removed
        b mv /nix/store/in /nix/store/moved 2> /dev/null && echo moved
        b ln /nix/store/in /nix/store/o 2> /dev/null && echo linked
        exit 0`;
      const { log } = await bench.runWithTools(script, {
        inputs: [{ path: "nix/store/in", hostPath: input }],
        outputs: ["nix/store/o"],
      });
      assert.equal(log, "");
      assert.equal((await stat(input)).mode & 0o777, 0o444);
    });

    test("only declared inputs and the sandbox's own files are visible", async (context) => {
      if (bench.needsTools(context)) return;
      const { log } = await bench.runWithTools(`
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
      if (bench.needsTools(context)) return;
      const { log } = await bench.runWithTools(
        "pwd; b stat -c %a .; b ls -A . /tmp | b grep -v :; echo x > /tmp/f; echo x > f; b cat f /tmp/f",
      );
      assert.deepEqual(log.split("\n").filter(Boolean), ["/build", "700", "x", "x"]);
    });

    test("there is no network unless asked, and no way to the host's abstract sockets", async (context) => {
      if (bench.needsTools(context)) return;
      const server = createServer((socket) => socket.end("reached\n"));
      const port = await new Promise<number>((resolve) => {
        server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
      });
      try {
        const script = `b nc -w 2 127.0.0.1 ${port} < /dev/null 2> /dev/null; b ls /sys 2> /dev/null; b awk 'NR > 2 { print $1 }' /proc/net/dev`;
        assert.equal((await bench.runWithTools(script)).log, "lo:\n");
        const asked = await bench.runWithTools(`${script}; [ -e /etc/nsswitch.conf ] && echo resolver`, {
          network: true,
        });
        assert.match(asked.log, /^reached\n/);
        assert.match(asked.log, /resolver\n$/);
      } finally {
        server.close();
      }
    });

    test("the builder has no capabilities and sees only its own processes", async (context) => {
      if (bench.needsTools(context)) return;
      const { log } = await bench.runWithTools(
        "b grep -E 'Cap(Eff|Prm|Amb)' /proc/self/status; b cat /proc/[0-9]*/cmdline | b tr '\\0' ' ' | b grep -c '[n]ode-linux'",
      );
      assert.deepEqual(
        log.match(/Cap\w+:\t(\w+)/g)?.map((line) => Number.parseInt(line.slice(8), 16)),
        [0, 0, 0],
      );
      assert.match(log, /\n0\n$/);
    });

    test("no descriptor beyond 0 to 2 is open", async (context) => {
      if (bench.needsTools(context)) return;
      const { log } = await bench.runJob({
        ...bench.jobOf(""),
        inputs: [bench.tools],
        argv: ["/tools/bin/busybox", "ls", "/proc/self/fd"],
      });
      assert.equal(log, "0\n1\n2\n3\n"); // 3 is what ls reads the directory by
    });

    test("stdout and stderr keep their order, stdin is empty, /dev/stderr can be opened", async () => {
      const { log } = await bench.run("echo 1; echo 2 >&2; echo 3; echo 4 > /dev/stderr; echo 5; read x || echo end");
      assert.equal(log, "1\n2\n3\n4\n5\nend\n");
    });

    test("a log of several megabytes arrives whole", async (context) => {
      if (bench.needsTools(context)) return;
      const { log } = await bench.runWithTools("b seq 1 500000");
      assert.equal(log.length, 3_388_895);
      assert.ok(log.endsWith("499999\n500000\n"));
    });

    test("processes left in the background do not outlive the builder", async () => {
      const { result } = await bench.run(
        "(trap '' TERM HUP; while :; do echo tick; read -t 1 x < /dev/zero; done) & echo $!; exit 0",
      );
      assert.deepEqual(result.end, { reason: "succeeded" });
      assert.deepEqual(await processesNaming(bench.state), []);
    });

    test("cancelling ends everything", async () => {
      const cancelled = new AbortController();
      const began = Promise.withResolvers<void>();
      const running = bench.sandbox.run(
        bench.jobOf("trap '' TERM INT; (while :; do :; done) & echo began; while :; do :; done"),
        () => began.resolve(),
        cancelled.signal,
      );
      await began.promise;
      assert.notDeepEqual(await processesNaming(bench.state), []);
      cancelled.abort(new Error("enough"));
      await using ended: SandboxRun = await running;
      assert.deepEqual(ended.result.end, { reason: "cancelled" });
      assert.deepEqual(await processesNaming(bench.state), []);
    });

    test("cancelling before and during the setup is heard", async () => {
      assert.deepEqual((await bench.run("echo ran", {}, AbortSignal.abort())).result.end, { reason: "cancelled" });
      for (const delayMs of [0, 5, 15, 30]) {
        const cancelled = new AbortController();
        const running = bench.run("while :; do :; done", {}, cancelled.signal);
        await sleep(delayMs);
        cancelled.abort();
        assert.deepEqual((await running).result.end, { reason: "cancelled" });
      }
      assert.deepEqual(await processesNaming(bench.state), []);
    });

    test("a build that takes too long ends with `timeout`", async () => {
      const { result } = await bench.run("while :; do echo busy; done", { timeoutMs: 300 });
      assert.deepEqual(result.end, { reason: "timeout", afterMs: 300 });
    });

    test("a build that says nothing ends with `silence`, one that does not", async (context) => {
      if (bench.needsTools(context)) return;
      const silent = await bench.runWithTools("echo last; b sleep 60", { silenceMs: 1500 });
      assert.deepEqual(silent.result.end, { reason: "silence", afterMs: 1500 });
      assert.equal(silent.log, "last\n");
      const talking = await bench.runWithTools("for i in 1 2 3 4 5 6; do b sleep 0.4; echo $i; done", {
        silenceMs: 1500,
      });
      assert.deepEqual(talking.result.end, { reason: "succeeded" });
    });

    test("a log that passes its limit ends with `log-limit`, cut there", async () => {
      const { result, log } = await bench.run("while :; do echo 0123456789; done", { logBytesMax: 100_005 });
      assert.deepEqual(result.end, { reason: "log-limit", bytesMax: 100_005 });
      assert.equal(log.length, 100_005);
      const within = await bench.run("echo 0123456789", { logBytesMax: 11 });
      assert.deepEqual(within.result.end, { reason: "succeeded" });
    });

    test("filling the build space ends with `out-of-space`, by one file or many, caught or not", async (context) => {
      if (bench.needsTools(context)) return;
      const buildSpaceBytes = 8 * 1024 * 1024;
      const expected = { reason: "out-of-space", bytesMax: buildSpaceBytes };
      const one = await bench.runWithTools("b dd if=/dev/zero of=big bs=1M count=100; exit 1", { buildSpaceBytes });
      assert.deepEqual(one.result.end, expected);
      const many = await bench.runWithTools(
        "i=0; while [ $i -lt 200 ]; do i=$((i + 1)); b dd if=/dev/zero of=/nix/store/$i bs=1M count=1; done; exit 0",
        {
          buildSpaceBytes,
          outputs: ["nix/store/1"],
        },
      );
      assert.deepEqual(many.result.end, expected);
      const ignored = await bench.runWithTools(
        "b dd if=/dev/zero of=a bs=1M count=7; b dd if=/dev/zero of=/tmp/b bs=1M count=7; exit 0",
        { buildSpaceBytes },
      );
      assert.deepEqual(ignored.result.end, expected);
    });

    test("a build within its space succeeds, inputs not counted", async (context) => {
      if (bench.needsTools(context)) return;
      const { result } = await bench.runWithTools("b dd if=/dev/zero of=small bs=1M count=1 2> /dev/null", {
        buildSpaceBytes: 2 * 1024 * 1024,
      });
      assert.deepEqual(result.end, { reason: "succeeded" });
    });

    test("memory is bounded, and running out of it is told from being killed", async (context) => {
      if (bench.needsTools(context)) return;
      const memoryBytes = 64 * 1024 * 1024;
      if ((await openCgroups()) === undefined) {
        await assert.rejects(bench.run("exit 0", { memoryBytes }), { code: "unsupported" });
        return;
      }
      const hungry = "b dd if=/dev/zero of=/dev/null bs=200M count=1 2> /dev/null";
      const { result } = await bench.runWithTools(`${hungry} || exit 1`, { memoryBytes });
      assert.deepEqual(result.end, { reason: "out-of-memory" });
      const modest = await bench.runWithTools("kill -9 $$", { memoryBytes });
      assert.deepEqual(modest.result.end, { reason: "signal", signal: "SIGKILL" });
    });

    test("costs are told: processor time of all processes, memory at its highest", async (context) => {
      if (bench.needsTools(context)) return;
      const { result } = await bench.runWithTools(
        "b dd if=/dev/zero of=/dev/null bs=50M count=4 2> /dev/null; i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done",
      );
      assert.deepEqual(result.end, { reason: "succeeded" });
      const { cpuUserMs = 0, cpuSystemMs = 0, memoryPeakBytes = 0 } = result;
      assert.ok(cpuUserMs > 20 && cpuUserMs < 60_000, `${cpuUserMs} ms in the loop`);
      assert.ok(cpuSystemMs > 0, "zeroing memory is the kernel's work");
      assert.ok(memoryPeakBytes >= 50 * 1024 * 1024 && memoryPeakBytes < 2 ** 31, `${memoryPeakBytes} bytes`);
    });

    test("a job that wants the host's files is refused where that was not allowed", async () => {
      await assert.rejects(bench.run("exit 0", { sandboxed: false }), { code: "unsupported" });
      assert.deepEqual(await bench.jobsLeft(), []);
    });

    test("directories without permissions, odd names and very deep trees are disposed of, symlinks not followed", async (context) => {
      if (bench.needsTools(context)) return;
      const precious = join(bench.work, "precious");
      await mkdir(precious);
      await writeFile(join(precious, "f"), "kept");
      const script = `
        b mkdir -p a/b/c; echo x > a/b/c/f; b chmod 000 a/b/c a/b a
        b ln -s ${precious} link; b mkdir "$(printf '\\377\\n')"
        n=$(b printf '%0200d' 0); i=0; while [ $i -lt 40 ]; do b mkdir $n && cd $n; i=$((i + 1)); done
        cd /; b chmod 000 /build`;
      assert.deepEqual((await bench.runWithTools(script)).result.end, { reason: "succeeded" });
      assert.deepEqual(await bench.jobsLeft(), []);
      assert.equal(await readFile(join(precious, "f"), "utf8"), "kept");
    });

    test("the directory of a job is private on the host", async () => {
      await using made = await bench.sandbox.run(
        bench.jobOf("echo > /nix/store/o", { outputs: ["nix/store/o"] }),
        () => {},
        never,
      );
      const [job] = await bench.jobsLeft();
      assert.equal((await stat(join(bench.state, job))).mode & 0o777, 0o700);
      assert.ok(made.result.outputs[0]?.startsWith(join(bench.state, job)));
    });

    test("a hundred inputs are shown", async (context) => {
      if (bench.needsTools(context)) return;
      const file = join(bench.work, "many");
      await writeFile(file, "");
      const inputs = Array.from({ length: 100 }, (_, i) => ({ path: `nix/store/${i}`, hostPath: file }));
      assert.equal((await bench.runWithTools("b ls /nix/store | b wc -l", { inputs })).log, "100\n");
    });

    test("without a shell there is none", async () => {
      const { result } = await bench.run("echo ran", { shell: false });
      assert.deepEqual(result.end, { reason: "exit-code", code: 127 });
    });

    test("a job that cannot be set up rejects and leaves nothing", async () => {
      await assert.rejects(
        bench.run("echo ran", { inputs: [{ path: "nix/store/in", hostPath: join(bench.work, "nothing") }] }),
        /ENOENT|no such file/i,
      );
      assert.deepEqual(await bench.jobsLeft(), []);
    });

    test("jobs run side by side without seeing each other", async () => {
      const jobs = [1, 2, 3].map((i) =>
        bench.run(`echo ${i} > f; read x < f; echo $x > /nix/store/o`, { outputs: ["nix/store/o"] }),
      );
      assert.deepEqual(
        (await Promise.all(jobs)).map(({ files }) => files["nix/store/o"]),
        ["1\n", "2\n", "3\n"],
      );
    });
  });
}
