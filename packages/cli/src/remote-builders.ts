/*
Builders elsewhere, as people write them after --builders or as `builders` in nix.conf: servers of Firn's that build for others (`firn serve --builds`), with what is known of each
in its URL's query. Lines in Nix's own form, for builders over ssh, are none of these.

    grpc+http://HOST:PORT?jobs=4&systems=x86_64-linux,i686-linux&token_file=FILE
*/

import { messageOf } from "@firn/base";
import { type BalancedMember, executingBuildService, type ExecutingParts } from "@firn/build";
import type { GrpcFields } from "@firn/protocol/node";
import { readNixSettings } from "./compat/nix-settings.ts";
import { CliError } from "./error.ts";
import type { Session } from "./session.ts";
import { serverOf } from "./store-choice.ts";

export type RemoteBuilder = {
  readonly server: GrpcFields;
  /** How many it shall build at once. */
  readonly jobsMax: number;
  /** For which systems it is used; absent: for all that it has. */
  readonly systems: readonly string[] | undefined;
};

/** Yields the builders, given the environment. */
export type RemoteBuildersChoice = (environment: Readonly<Record<string, string>>) => readonly RemoteBuilder[];

const JOBS_MAX = 10_000;

/** What the flag says, else nix.conf. Throws `usage` for a flag that names anything else. */
export function remoteBuilders(flag: string | undefined): RemoteBuildersChoice {
  if (flag === undefined) return (environment) => buildersOfSetting(readNixSettings(environment).get("builders"));
  const builders = wordsOf(flag).map(parseRemoteBuilder);
  return () => builders;
}

/** Those of the setting that are Firn's. Throws `usage`. */
export function buildersOfSetting(value: string | undefined): readonly RemoteBuilder[] {
  return wordsOf(value ?? "")
    .filter((word) => word.startsWith("grpc+"))
    .map(parseRemoteBuilder);
}

function wordsOf(text: string): string[] {
  return text.split(/[\s;]+/).filter((word) => word !== "");
}

function parseRemoteBuilder(text: string): RemoteBuilder {
  if (!/^grpc\+(https?|unix):/.test(text))
    throw new CliError(
      "usage",
      `'${text}' is no builder: expected grpc+http://HOST:PORT?jobs=N, grpc+https://… or grpc+unix:/PATH`,
    );
  const { server, further } = serverOf(text, ["jobs", "systems"]);
  const { jobs = "1", systems } = further;
  if (!/^[1-9]\d{0,4}$/.test(jobs) || Number(jobs) > JOBS_MAX)
    throw new CliError(
      "usage",
      `the jobs of builder '${server.url}' are a number from 1 to ${JOBS_MAX}, not '${jobs}'`,
    );
  return { server, jobsMax: Number(jobs), systems: systems?.split(",").filter((system) => system !== "") };
}

/** Connects to a builder; undefined, and a note, when it cannot be had: others may do. Its attempts are kept where `parts` says. */
export async function openRemoteBuilder(
  { server, jobsMax, systems: wanted }: RemoteBuilder,
  parts: Omit<ExecutingParts, "executor" | "systems" | "features" | "jobsMax">,
  session: Session,
): Promise<BalancedMember | undefined> {
  const { RemoteExecutor } = await import("@firn/protocol");
  const { openGrpcPeer } = await import("@firn/protocol/node");
  const { readTextBeside } = await import("./opened-store.ts");
  const peer = await openGrpcPeer(server, { readText: readTextBeside(session.config.workingDirectory) });
  session.adopt(peer);
  try {
    const executor = await RemoteExecutor.open(peer, parts);
    const { systems, features } = executor.supports;
    const used = wanted === undefined ? systems : systems.filter((system) => wanted.includes(system));
    const service = executingBuildService({ ...parts, executor, systems: used, features, jobsMax });
    return { service, jobsMax, isLocal: false };
  } catch (thrown) {
    session.signal.throwIfAborted();
    await session.output.noteOnce(`note: the builder ${server.url} is left out: ${messageOf(thrown)}`);
    return undefined;
  }
}
