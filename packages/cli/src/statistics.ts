/*
The statistics of an evaluation as C++ Nix prints them: JSON, two spaces deep, names sorted, on stderr or in a file.
*/

import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import type { EvaluatorHost } from "./evaluator/host.ts";
import { evaluationText } from "./report.ts";
import type { Session } from "./session.ts";

/** Prints what `host` counted; nothing when it counted nothing. `path` is a file, or `-` for stderr. */
export async function printStatistics(host: EvaluatorHost, session: Session, path = "-"): Promise<void> {
  const statistics = await host.statistics();
  if (statistics === undefined) return;
  const text = evaluationText(JSON.stringify(sorted(statistics), undefined, 2));
  const message = "what the evaluation did";
  if (path === "-") await session.output.say({ level: "info", code: "statistics", message, text, details: statistics });
  else writeFileSync(resolve(session.config.workingDirectory, path), `${text}\n`);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, inner]) => [name, sorted(inner)]));
}
