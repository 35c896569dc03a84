/*
What a builder that means harm must not be able to do, one section for each class of hole that implementations of Nix had. Each test says what was
at stake. What a sandbox cannot keep is in its list of gaps, and in the README's table.
*/

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, lstat, mkdir, readdir, readFile, readlink, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { constants } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { Sandbox } from "@firn/build";
import { elfProgram, type ProgramData } from "../src/elf-program.ts";
import type { Machine, Step } from "../src/machine-code.ts";
import { never, processesNaming, type SandboxBench, sandboxSuite, type SuiteOptions } from "./sandbox-bench.ts";

const AT_FDCWD = -100;
const machine = process.arch as Machine;

/** Registers the suite; `open` gets an empty state directory. */
export function sandboxSecurity(
  name: string,
  open: (stateDir: string) => Promise<Sandbox>,
  options: SuiteOptions = {},
): void {
  sandboxSuite(`${name} against builders that mean harm`, open, options, (test, bench) => {
    test("setuid: no way to make a file setuid or setgid works, ordinary modes do", async (context) => {
      if (bench.needsTools(context)) return;
      const { log } = await bench.runWithTools(`
        echo > f; b chmod 755 f && b stat -c %a f
        for mode in u+s g+s 4755 2755 6755; do b chmod $mode f 2> /dev/null && echo made $mode; done
        b mkdir -m 2755 d 2> /dev/null; b find . -perm /6000`);
      assert.equal(log, "755\n");
      const file = (data: ProgramData) => data.text("g");
      const made = [
        await resultOf(bench, (data) => call("openat", AT_FDCWD, file(data), 0o101, 0o4755)),
        await resultOf(bench, (data) => call("openat", AT_FDCWD, data.text("."), 0o20200001, 0o4755)), // O_TMPFILE
        await resultOf(bench, (data) => call(452, AT_FDCWD, data.text("/bin"), 0o4755, 0)), // fchmodat2
      ];
      assert.deepEqual(made, ["EPERM", "EPERM", "EPERM"]);
      assert.equal(await resultOf(bench, (data) => call("openat", AT_FDCWD, file(data), 0o101, 0o755)), "done");
    });

    test("setuid: calls whose arguments a filter cannot see are not there", async () => {
      assert.equal(await resultOf(bench, () => call(425, 1, 0)), "ENOSYS"); // io_uring_setup
      assert.equal(await resultOf(bench, (data) => call(437, AT_FDCWD, data.text("f"), 0, 24)), "ENOSYS"); // openat2
    });

    test("extended attributes: they can be neither set nor asked for", async () => {
      const attribute = (data: ProgramData) => [data.text("/build"), data.text("user.x")];
      const [set, get, list] = machine === "x64" ? [188, 191, 194] : [5, 8, 11];
      assert.equal(await resultOf(bench, (data) => call(set, ...attribute(data), 0, 0, 0)), "ENOTSUP");
      assert.equal(await resultOf(bench, (data) => call(get, ...attribute(data), 0, 0)), "ENOTSUP");
      assert.equal(await resultOf(bench, (data) => call(list, data.text("/build"), 0, 0)), "ENOTSUP");
    });

    test("smuggled descriptors: the host's abstract sockets are out of reach", async () => {
      assert.equal(await reachesAbstractSocket(bench, false), "ECONNREFUSED");
    });

    test("smuggled descriptors: they are out of reach with the host's network too", async () => {
      assert.equal(await reachesAbstractSocket(bench, true), "EPERM");
    });

    test("links: an output that is a symlink to a file of the host is that symlink", async (context) => {
      if (bench.needsTools(context)) return;
      const job = bench.withTools("b ln -s /etc/shadow /nix/store/o", { outputs: ["nix/store/o"] });
      await using made = await bench.sandbox.run(job, () => {}, never);
      const [output] = made.result.outputs as string[];
      assert.ok((await lstat(output)).isSymbolicLink());
      assert.equal(await readlink(output), "/etc/shadow");
    });

    test("links: what an input holds cannot be linked into an output, nor moved there", async (context) => {
      if (bench.needsTools(context)) return;
      const input = join(bench.work, "linked");
      await mkdir(input);
      await writeFile(join(input, "f"), "data");
      const { log } = await bench.runWithTools(
        `b mkdir /nix/store/o; b ln /nix/store/in/f /nix/store/o/f 2> /dev/null && echo linked
         b mv /nix/store/in /nix/store/o/in 2> /dev/null && echo moved; exit 0`,
        { inputs: [{ path: "nix/store/in", hostPath: input }], outputs: ["nix/store/o"] },
      );
      assert.equal(log, "");
      assert.equal((await stat(join(input, "f"))).nlink, 1);
    });

    test("exposure: what a builder makes is out of reach for other users, whatever modes it sets", async (context) => {
      if (process.getuid?.() !== 0) return context.skip("only root can be another user");
      if (bench.needsTools(context)) return;
      await chmod(bench.work, 0o755);
      const began = Promise.withResolvers<void>();
      const ends = new AbortController();
      const script =
        "b chmod 777 /build /tmp /nix/store; echo secret > f; b chmod 666 f; echo began; while :; do :; done";
      const running = bench.sandbox.run(bench.withTools(script), () => began.resolve(), ends.signal);
      await began.promise;
      try {
        const command = ["--reuid=65534", "--regid=65534", "--clear-groups", "find", bench.state, "-name", "f"];
        const { stdout } = await promisify(execFile)("setpriv", command).catch(
          (thrown) => thrown as { stdout: string },
        );
        assert.equal(stdout, "");
      } finally {
        ends.abort();
        await (await running).dispose();
      }
    });

    test("races while deleting: directories swapped for symlinks to the end lead nowhere", async (context) => {
      if (bench.needsTools(context)) return;
      const precious = join(bench.work, "precious");
      await mkdir(precious);
      for (const file of ["a", "b", "c"]) await writeFile(join(precious, file), "kept");
      const script = `
        b ln -s ${precious} link; b mkdir dir; echo x > dir/a; echo began
        (while :; do b mv dir aside; b mv link dir; b mv dir link; b mv aside dir; done) &
        while :; do b mv dir aside; b mv link dir; b mv dir link; b mv aside dir; done`;
      const began = Promise.withResolvers<void>();
      const ends = new AbortController();
      const running = bench.sandbox.run(bench.withTools(script), () => began.resolve(), ends.signal);
      await began.promise;
      await sleep(50);
      ends.abort();
      await (await running).dispose();
      assert.deepEqual(await bench.jobsLeft(), []);
      assert.deepEqual(await readdir(precious), ["a", "b", "c"]);
    });

    test("special files: devices cannot be made; FIFOs are what they are and hold nobody up", async (context) => {
      if (bench.needsTools(context)) return;
      const script = `b mkfifo /nix/store/o
        b mknod null c 1 3 2> /dev/null && echo made; b mknod disk b 8 0 2> /dev/null && echo made; exit 0`;
      const log: Uint8Array[] = [];
      const job = bench.withTools(script, { outputs: ["nix/store/o"] });
      await using made = await bench.sandbox.run(job, (bytes) => log.push(bytes.slice()), never);
      assert.equal(Buffer.concat(log).toString(), "");
      assert.ok((await lstat(made.result.outputs[0] as string)).isFIFO());
    });

    test("network: there is only a loopback device, and it works", async (context) => {
      if (bench.needsTools(context)) return;
      const { log } = await bench.runWithTools(`
        b awk 'NR > 2 { print $1 }' /proc/net/dev; b awk 'NR > 1' /proc/net/route
        (echo answered | b nc -l -p 5000 127.0.0.1) & b sleep 0.2; b nc -w 2 127.0.0.1 5000 < /dev/null`);
      assert.equal(log, "lo:\nanswered\n");
    });

    test("/proc and /sys: the kernel's settings cannot be changed, its secrets not read", async (context) => {
      if (bench.needsTools(context)) return;
      const { log } = await bench.runWithTools(`
        for file in kernel/core_pattern kernel/hostname kernel/modprobe vm/swappiness fs/file-max; do
          [ -e /proc/sys/$file ] || continue
          read value < /proc/sys/$file; (echo "$value" > /proc/sys/$file) 2> /dev/null && echo wrote $file
        done
        [ -e /proc/sysrq-trigger ] && (echo h > /proc/sysrq-trigger) 2> /dev/null && echo wrote sysrq-trigger
        for file in kcore keys timer_list; do [ -n "$(b dd if=/proc/$file bs=1 count=1 2> /dev/null)" ] && echo read $file; done
        [ -e /sys ] && b ls -A /sys; b cut -d : -f 3 /proc/self/cgroup | b sort -u`);
      assert.equal(log, "/\n"); // of the host's cgroups not even the names are seen
    });

    test("/proc: other processes are not there, not even those that made the sandbox", async (context) => {
      if (bench.needsTools(context)) return;
      process.env.FIRN_SECRET = "not for builders";
      const { log } = await bench.runWithTools(
        `b cat /proc/[0-9]*/environ 2> /dev/null | b grep -c FIRN_SECRET; [ -e /proc/${process.pid} ] && echo seen; exit 0`,
      );
      delete process.env.FIRN_SECRET;
      assert.equal(log, "0\n");
    });

    test("output tricks: nobody is left to change an output once the run has ended", async (context) => {
      if (bench.needsTools(context)) return;
      const script = `echo first > /nix/store/o
        b setsid b sh -c 'trap "" TERM HUP INT; while :; do echo later > /nix/store/o; done' & b sleep 0.1; echo first > /nix/store/o`;
      await using made = await bench.sandbox.run(
        bench.withTools(script, { outputs: ["nix/store/o"] }),
        () => {},
        never,
      );
      const [output] = made.result.outputs as string[];
      const ended = await stat(output);
      await sleep(100);
      assert.equal((await stat(output)).mtimeMs, ended.mtimeMs);
      assert.deepEqual(await processesNaming(bench.state), []);
    });

    test("output tricks: a directory above an output cannot be exchanged for a link to elsewhere", async (context) => {
      if (bench.needsTools(context)) return;
      const script =
        "b mv /nix/store /nix/old; b ln -s /etc /nix/store; b rm -rf /nix/store; b mv /nix /n; echo > /nix/store/o";
      const { files } = await bench.runWithTools(`(${script}) 2> /dev/null`, { outputs: ["nix/store/o"] });
      assert.equal(files["nix/store/o"], "\n");
    });

    test("writable inputs: mounts cannot be made writable again, nor from a namespace of one's own", async (context) => {
      if (bench.needsTools(context)) return;
      const input = join(bench.work, "remounted");
      await mkdir(input, { recursive: true });
      await writeFile(join(input, "f"), "data\n");
      const { log } = await bench.runWithTools(
        `for how in "" "b unshare -rm" "b unshare -Urmpf"; do
           $how /tools/bin/busybox sh -c 'b() { /tools/bin/busybox "$@"; }
             b mount -o remount,rw,bind /nix/store/in; b umount /nix/store/in; b mount -o remount,rw,bind /
             echo x > /nix/store/in/f && echo written; echo x > /etc/passwd && echo written' 2> /dev/null
         done; exit 0`,
        { inputs: [{ path: "nix/store/in", hostPath: input }], outputs: ["nix/store/o"] },
      );
      assert.equal(log, "");
      assert.equal(await readFile(join(input, "f"), "utf8"), "data\n");
    });

    test("processes: a builder cannot take over or kill those that watch it", async (context) => {
      if (bench.needsTools(context)) return;
      const { result } = await bench.runWithTools("b kill -9 1 2> /dev/null; exit 3");
      assert.deepEqual(result.end, { reason: "exit-code", code: 3 });
    });
  });
}

function call(name: Extract<Step, { op: "call" }>["name"], ...values: (number | "result")[]): Step[] {
  return [{ op: "call", name, arguments: values }];
}

/** Makes the calls inside, in the working directory, and says how the last one that failed did: "done", or the error's name. */
async function resultOf(bench: SandboxBench, build: (data: ProgramData) => Step[], network = false): Promise<string> {
  const probe = elfProgram(machine, (data) => [
    ...build(data).flatMap((step): Step[] => [step, { op: "branch", if: "negative", to: "failed" }]),
    ...call("exit_group", 0),
    { op: "label", name: "failed" },
    ...call("exit_group", "result"),
  ]);
  const file = join(bench.work, "probe");
  await writeFile(file, probe, { mode: 0o755 });
  const inputs = [{ path: "probe", hostPath: file }];
  const { result } = await bench.runJob(bench.jobOf("", { inputs, argv: ["/probe"], network }));
  if (result.end.reason === "succeeded") return "done";
  assert.equal(result.end.reason, "exit-code");
  const errno = 256 - (result.end as { code: number }).code; // -errno, of which an exit code has the low byte
  return Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `error ${errno}`;
}

/** What a builder gets that connects to an abstract socket of ours. */
async function reachesAbstractSocket(bench: SandboxBench, network: boolean): Promise<string> {
  const name = `\0firn-test-${process.pid}-${network}`;
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen({ path: name }, resolve));
  try {
    const [socket, connect] = machine === "x64" ? [41, 42] : [198, 203];
    const address = (data: ProgramData) => data.bytes(Uint8Array.from([1, 0, ...Buffer.from(name, "latin1")]));
    return await resultOf(
      bench,
      (data) => [...call(socket, 1, 1, 0), ...call(connect, "result", address(data), 2 + name.length)],
      network,
    );
  } finally {
    server.close();
  }
}
