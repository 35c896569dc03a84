import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { Sandbox, SandboxJob } from "@firn/build";
import { need } from "../../../dev/need.ts";
import { createSandbox } from "../src/create-sandbox.ts";

const room = new URL("../src/index.ts", import.meta.url).href;

async function withState(work: (stateDir: string) => Promise<void>): Promise<void> {
  const stateDir = await mkdtemp(join(tmpdir(), "firn-state-"));
  try {
    await work(stateDir);
  } finally {
    await rm(stateDir, { recursive: true });
  }
}

test("auto takes bubblewrap where it works, and has nothing to note", need("bwrap"), async () => {
  await withState(async (stateDir) => {
    const { sandbox, note, shell } = await createSandbox({ kind: "auto", stateDir: join(stateDir, "new", "folder") });
    assert.equal(sandbox.name, "bubblewrap");
    assert.equal(note, undefined);
    assert.equal(shell?.files[0].path, "bin/sh");
  });
});

test("auto takes unshare where bubblewrap is missing, and says how to get better", need("unshare"), async () => {
  await withState(async (stateDir) => {
    const program = `import { createSandbox } from ${JSON.stringify(room)};
      const { sandbox, note } = await createSandbox({ kind: "auto", stateDir: ${JSON.stringify(stateDir)} });
      console.log(JSON.stringify({ name: sandbox.name, note }));`;
    const file = join(stateDir, "program.ts");
    await writeFile(file, program);
    // In a mount namespace where no directory of programs has a bwrap that may be executed.
    const hide =
      'for d in /usr/bin /bin /usr/local/bin; do [ -e $d/bwrap ] && mount --bind /dev/null $d/bwrap; done; exec "$@"';
    const { stdout } = await promisify(execFile)("unshare", ["-rm", "sh", "-c", hide, "sh", process.execPath, file]);
    const { name, note } = JSON.parse(stdout) as { name: string; note: string };
    assert.equal(name, "unshare");
    assert.match(note, /the program bwrap is missing.*install bubblewrap/);
  });
});

test(
  "a builder that meets a full file system ends with `out-of-space`, whatever it makes of it",
  need("unshare"),
  async () => {
    await withState(async (stateDir) => {
      const program = `import { createSandbox } from ${JSON.stringify(room)};
      const { sandbox } = await createSandbox({ kind: "auto", stateDir: ${JSON.stringify(join(stateDir, "small"))} });
      const script = "x=0123456789abcdef; for i in 1 2 3 4 5 6 7 8 9 10; do x=$x$x; done; while echo $x; do :; done > full; exit 7";
      const job = { inputs: [], argv: ["/bin/sh", "-c", script], env: [], files: [], workingDirectory: "build", outputs: [], network: false, shell: true };
      await using run = await sandbox.run(job, () => {}, new AbortController().signal);
      console.log(JSON.stringify(run.result.end.reason));`;
      const file = join(stateDir, "program.ts");
      await writeFile(file, program);
      const mount = 'mkdir "$1/small" && mount -t tmpfs -o size=6m tmpfs "$1/small" && shift && exec "$@"';
      const { stdout } = await promisify(execFile)("unshare", [
        "-rm",
        "sh",
        "-c",
        mount,
        "sh",
        stateDir,
        process.execPath,
        file,
      ]);
      assert.equal(JSON.parse(stdout), "out-of-space");
    });
  },
);

test("without a static busybox, builders get the host's sh with its libraries", need("unshare"), async () => {
  await withState(async (stateDir) => {
    const program = `import { createSandbox } from ${JSON.stringify(room)};
      const { sandbox, shell } = await createSandbox({ kind: "auto", stateDir: ${JSON.stringify(stateDir)} });
      const job = { inputs: [], argv: ["/bin/sh", "-c", "echo from the shell"], env: [], files: [], workingDirectory: "build", outputs: [], network: false, shell: true };
      let log = "";
      await using run = await sandbox.run(job, (bytes) => (log += Buffer.from(bytes)), new AbortController().signal);
      console.log(JSON.stringify({ kind: shell.kind, first: shell.files[0].path, log, end: run.result.end.reason }));`;
    const file = join(stateDir, "program.ts");
    await writeFile(file, program);
    const hide =
      'for d in /usr/bin /bin /usr/sbin /sbin /usr/local/bin; do [ -e $d/busybox ] && mount --bind /dev/null $d/busybox; done; exec "$@"';
    const { stdout } = await promisify(execFile)("unshare", ["-rm", "sh", "-c", hide, "sh", process.execPath, file]);
    const expected = { kind: "host", first: "bin/sh", log: "from the shell\n", end: "succeeded" };
    assert.deepEqual(JSON.parse(stdout), expected);
  });
});

for (const [kind, command] of [
  ["bubblewrap", "bwrap"],
  ["unshare", "unshare"],
  ["runc", "runc"],
  ["nspawn", "systemd-nspawn"],
] as const) {
  test(
    `killing the process that runs a job kills the job (${kind}), and the next one removes what it left`,
    need(command),
    async () => {
      await withState(async (stateDir) => {
        const program = `import { createSandbox } from ${JSON.stringify(room)};
        const { sandbox } = await createSandbox({ kind: ${JSON.stringify(kind)}, stateDir: ${JSON.stringify(stateDir)} });
        const job = { inputs: [], argv: ["/bin/sh", "-c", "echo > /tmp/began; echo began; while :; do :; done"], env: [], files: [],
          workingDirectory: "build", outputs: [], network: false, shell: true };
        await sandbox.run(job, (bytes) => process.stdout.write(bytes), new AbortController().signal);`;
        const file = join(stateDir, "program.ts");
        await writeFile(file, program);
        const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] });
        await new Promise((resolve) => child.stdout.once("data", resolve));
        child.kill("SIGKILL");
        await new Promise((resolve) => child.once("exit", resolve));
        while ((await processesOf(stateDir)) > 0) await sleep(10); // the test's own limit ends this if they live on
        assert.equal((await readdir(stateDir)).filter((name) => name.startsWith("job-")).length, 1);
        await createSandbox({ kind, stateDir });
        assert.deepEqual(
          (await readdir(stateDir)).filter((name) => name.startsWith("job-")),
          [],
        );
      });
    },
  );
}

const shellJob = (script: string, more: Partial<SandboxJob> = {}): SandboxJob => ({
  inputs: [],
  argv: ["/bin/sh", "-c", script],
  env: [{ name: "PATH", value: "/bin:/usr/bin" }],
  files: [],
  workingDirectory: "build",
  outputs: [],
  network: false,
  shell: true,
  ...more,
});

async function logOf(sandbox: Sandbox, job: SandboxJob): Promise<string> {
  const log: Uint8Array[] = [];
  await using run = await sandbox.run(job, (bytes) => log.push(bytes.slice()), new AbortController().signal);
  assert.deepEqual(run.result.end, { reason: "succeeded" });
  return Buffer.concat(log).toString();
}

for (const [kind, command] of [
  ["bubblewrap", "bwrap"],
  ["runc", "runc"],
  ["nspawn", "systemd-nspawn"],
  ["unshare", "unshare"],
] as const) {
  test(`paths of the host are shown, read-only unless said otherwise (${kind})`, need(command), async () => {
    await withState(async (stateDir) => {
      const shared = join(stateDir, "shared");
      await mkdir(shared);
      await writeFile(join(shared, "f"), "of the host\n");
      await symlink(join(shared, "f"), join(stateDir, "link"));
      const paths = [
        { path: "shared", hostPath: shared },
        { path: "opt/written", hostPath: shared, writable: true },
        { path: "opt/link", hostPath: join(stateDir, "link") },
        { path: "missing", hostPath: join(stateDir, "missing"), optional: true },
      ];
      const { sandbox } = await createSandbox({ kind, stateDir, paths });
      const script = `read a < /shared/f; read b < /opt/link; echo "$a, $b"
        (echo x > /shared/g) 2> /dev/null && echo written; echo new > /opt/written/g; [ -e /missing ] && echo there; exit 0`;
      assert.equal(await logOf(sandbox, shellJob(script)), "of the host, of the host\n");
      assert.equal(await readFile(join(shared, "g"), "utf8"), "new\n");
      const without = { kind, stateDir, paths: [{ path: "missing", hostPath: join(stateDir, "missing") }] };
      await assert.rejects(createSandbox(without), /the sandbox path \/missing cannot be shown/);
    });
  });
}

for (const [kind, command] of [
  ["none", "bwrap"],
  ["bubblewrap", "bwrap"],
  ["runc", "runc"],
  ["nspawn", "systemd-nspawn"],
] as const) {
  test(`a job without walls sees the host's files, read-only, and its network (${kind})`, need(command), async () => {
    await withState(async (stateDir) => {
      const { sandbox } = await createSandbox({ kind, stateDir, relaxed: true });
      const input = join(stateDir, "input");
      await writeFile(input, "data\n");
      const script = `read x < /nix/store/in; echo $x; [ -e /usr/bin/env ] && echo host
        (echo x > /etc/firn-test) 2> /dev/null && echo written; (echo x > /nix/store/in) 2> /dev/null && echo written
        pwd; grep -q -v -e lo: /proc/net/dev && echo network; echo > /nix/store/o`;
      const job = shellJob(script, {
        inputs: [{ path: "nix/store/in", hostPath: input }],
        outputs: ["nix/store/o"],
        ...(kind === "none" ? {} : { sandboxed: false }),
      });
      assert.equal(await logOf(sandbox, job), "data\nhost\n/build\nnetwork\n");
    });
  });
}

test("what jobs of live processes have is not swept", need("bwrap"), async () => {
  await withState(async (stateDir) => {
    await mkdir(join(stateDir, `job-${process.pid}-abcdef`));
    await createSandbox({ kind: "bubblewrap", stateDir });
    const jobs = (await readdir(stateDir)).filter((name) => name.startsWith("job-"));
    assert.deepEqual(jobs, [`job-${process.pid}-abcdef`]);
  });
});

async function processesOf(stateDir: string): Promise<number> {
  let count = 0;
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    if ((await readlink(`/proc/${pid}/fd/1`).catch(() => "")).startsWith(stateDir)) count++;
  }
  return count;
}
