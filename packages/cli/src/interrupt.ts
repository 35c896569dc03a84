/*
Being told to stop. The first signal asks: what is under way is cancelled, sandboxes end, nothing half-done is registered. A second one
does not ask. The default action of a signal would leave sandboxes and temporary directories to the next run.
*/

import process from "node:process";
import { Interrupted } from "./error.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** A signal that fires with `Interrupted` at the first SIGINT, SIGTERM or SIGHUP. `release` restores the defaults. */
export function listenForInterrupt(): { readonly signal: AbortSignal; readonly release: () => void } {
  const controller = new AbortController();
  const onSignal = (name: (typeof SIGNALS)[number]) => {
    const reason = new Interrupted(name);
    if (controller.signal.aborted) process.exit(reason.exitCode);
    controller.abort(reason);
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of SIGNALS) process.off(name, onSignal);
    },
  };
}
