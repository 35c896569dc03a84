/*
`firn store verify`: looks through the whole store for damage, and mends it. The work is done in a process of its own: the index is a memory map,
and what is wrong with it may end whoever reads it. That is a finding, and not the end of the command.
*/

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Finding, VerifyReport } from "@firn/backend-local";
import { defineCommand, examples } from "../../command.ts";
import { CliError, EXIT } from "../../error.ts";
import { LiveLine } from "../../live-line.ts";
import type { OpenedStore } from "../../opened-store.ts";
import type { Session } from "../../session.ts";
import { printCount } from "../../size.ts";

export type VerifyCommandOptions = {
  readonly nar: boolean;
  readonly repair: boolean;
  readonly repairFrom: string | undefined;
  readonly json: boolean;
  /** Do it here, and print events for the process that asked. */
  readonly inThisProcess: boolean;
};

type Event =
  | { readonly event: "finding"; readonly finding: Finding }
  | { readonly event: "progress"; readonly text: string }
  | { readonly event: "done"; readonly checked: VerifyReport["checked"] }
  | { readonly event: "error"; readonly message: string };

export const command = defineCommand<VerifyCommandOptions>({
  declare: (command) =>
    command
      .option("--nar", "also render every path and compare with the NAR hash that was registered")
      .option("--repair", "mend what needs nothing from elsewhere: tables, and files shown on disk")
      .option("--repair-from <store>", "mend from another store, too: its directory, or as after --store")
      .option("--json", "print {findings: [{kind, what, problem, isRepaired}], checked}")
      .addOption(command.createOption("--in-this-process").hideHelp())
      .addHelpText(
        "after",
        `${examples(
          ["firn store verify", "reads everything once; exit code 1 when something is wrong"],
          ["firn store verify --repair-from /backup/firn/store", "and takes good copies from there"],
        )}`,
      ),
  store: "local",
  optionsOf: (_, flags) => ({
    nar: flags.nar === true,
    repair: flags.repair === true,
    repairFrom: flags.repairFrom as string | undefined,
    json: flags.json === true,
    inThisProcess: flags.inThisProcess === true,
  }),
  run: verify,
});

async function verify(options: VerifyCommandOptions, session: Session): Promise<number> {
  if (options.inThisProcess) return verifyHere(options, session);
  const { output } = session;
  if (!session.hasStore()) throw new CliError("not-found", `there is no store at ${session.storeHostDir}`);
  const report = await verifyElsewhere(options, session);
  if (options.json) await output.json(report);
  else {
    const { checked } = report;
    const counts = [
      printCount(checked.path, "path"),
      printCount(checked.directory, "directory", "directories"),
      printCount(checked.blob, "blob"),
      printCount(checked.chunk, "chunk"),
      printCount(checked.file, "file"),
    ];
    const repaired = report.findings.filter(({ isRepaired }) => isRepaired).length;
    const found = report.findings.length === 0 ? "no damage" : printCount(report.findings.length, "finding");
    await output.line(`checked ${counts.join(", ")}: ${found}${repaired === 0 ? "" : `, ${repaired} repaired`}`);
  }
  return report.findings.every(({ isRepaired }) => isRepaired) ? EXIT.ok : EXIT.error;
}

const NOTHING_CHECKED: VerifyReport["checked"] = {
  chunk: 0,
  blob: 0,
  directory: 0,
  path: 0,
  referrer: 0,
  root: 0,
  file: 0,
  outboard: 0,
  "remembered-nar": 0,
  seen: 0,
};

async function verifyElsewhere(options: VerifyCommandOptions, session: Session): Promise<VerifyReport> {
  const { output, signal, config } = session;
  const argv = ["store", "verify", "--in-this-process", "--store", `local:${session.storeHostDir}`];
  if (options.nar) argv.push("--nar");
  if (options.repair) argv.push("--repair");
  if (options.repairFrom !== undefined) argv.push("--repair-from", options.repairFrom);
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1], ...argv], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, FIRN_HOME: config.stateDir },
  });
  const stop = () => child.kill("SIGTERM");
  signal.addEventListener("abort", stop);
  const findings: Finding[] = [];
  let checked: VerifyReport["checked"] | undefined;
  let failure: string | undefined;
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-2000);
  });
  const ended = new Promise<string | undefined>((done, fail) => {
    child.on("error", fail);
    child.on("close", (code, signalName) => done(signalName ?? (code === 0 ? undefined : `exit code ${code}`)));
  });
  ended.catch(() => undefined);
  const report = async (finding: Finding) => {
    findings.push(finding);
    if (!options.json) await output.line(textOf(finding));
  };
  {
    using line = new LiveLine(output);
    for await (const text of createInterface({ input: child.stdout })) {
      const event = JSON.parse(text) as Event;
      if (event.event === "finding") await report(event.finding);
      else if (event.event === "done") checked = event.checked;
      else if (event.event === "error") failure = event.message;
      else line.show(() => event.text);
    }
  }
  const how = await ended.finally(() => signal.removeEventListener("abort", stop));
  signal.throwIfAborted();
  if (checked === undefined) {
    const problem =
      failure ?? `the process that read it ended with ${how ?? "no word"}${said === "" ? "" : `: ${said.trim()}`}`;
    await report({ kind: "index", what: "the store's index", problem, isRepaired: false });
  }
  return { findings, checked: checked ?? NOTHING_CHECKED };
}

async function verifyHere(options: VerifyCommandOptions, session: Session): Promise<number> {
  const { output, signal } = session;
  let events = Promise.resolve();
  let toldAtMs = 0;
  const tell = (event: Event) => {
    events = events.then(() => output.json(event));
  };
  try {
    const store = await session.openStore();
    await using source = options.repairFrom === undefined ? undefined : await openSource(options.repairFrom, session);
    const { checked } = await store.verify({
      nar: options.nar,
      repair: options.repair,
      signal,
      ...(source === undefined ? {} : { repairFrom: source }),
      onFinding: (finding) => tell({ event: "finding", finding }),
      onProgress: ({ kind, done, total }) => {
        if (Date.now() - toldAtMs < 100) return;
        toldAtMs = Date.now();
        tell({ event: "progress", text: `${kind}: ${done}${total === undefined ? "" : ` of ${total}`}` });
      },
    });
    tell({ event: "done", checked });
  } catch (thrown) {
    signal.throwIfAborted();
    tell({ event: "error", message: thrown instanceof Error ? thrown.message : String(thrown) });
  }
  await events;
  return EXIT.ok;
}

/** A store of any kind, or a directory: a store of Firn's own, or a state directory that has one. */
function openSource(text: string, session: Session): Promise<OpenedStore> {
  const isPlace = !/^[a-z]+:/.test(text) && !text.endsWith(".toml");
  const hostDir = resolve(session.config.workingDirectory, text.replace(/^local:/, ""));
  if (!isPlace && !text.startsWith("local:")) return session.openOther(text);
  const found = [hostDir, join(hostDir, "store")].find((dir) => existsSync(join(dir, "format")));
  if (found === undefined) throw new CliError("not-found", `there is no store of Firn's at '${hostDir}'`);
  return session.openOther(`local:${found}`);
}

const NAMES: Readonly<Record<Finding["kind"], string>> = {
  chunk: "chunk",
  blob: "blob",
  directory: "directory",
  path: "path",
  nar: "path",
  referrer: "entry of referrers",
  root: "root",
  file: "materialised file",
  outboard: "outboard",
  "remembered-nar": "remembered hash of the NAR of",
  seen: "what is remembered of a directory",
  index: "",
};

function textOf({ kind, what, problem, isRepaired }: Finding): string {
  return `${isRepaired ? "repaired: " : ""}${`${NAMES[kind]} ${what}`.trim()}: ${problem}`;
}
