/*
Operands that name store paths: a path below the store directory, something inside one, or a link that leads there.
*/

import { resolve } from "node:path";
import type { StorePath } from "@firn/nix-compat";
import { CliError } from "../error.ts";
import type { Session } from "../session.ts";
import { findPlace } from "../store-target.ts";
import { PathGraph } from "./path-graph.ts";

/** The store path an operand leads to; whether it is valid is not asked. Throws `invalid-target`. */
export function storePathOf(operand: string, session: Session): StorePath {
  try {
    return findPlace(operand, session).path;
  } catch (thrown) {
    if (!(thrown instanceof CliError) || thrown.code !== "invalid-target") throw thrown;
    const path = resolve(session.config.workingDirectory, operand);
    throw new CliError("invalid-target", `path '${path}' is not in the Nix store`, { cause: thrown });
  }
}

export async function openGraph(session: Session): Promise<PathGraph> {
  const { config, signal } = session;
  return new PathGraph(await session.openStore(), config.storeDir, { signal });
}
