/* Both suites on one kind of sandbox, as whoever runs the tests. */

import { createSandbox, type SandboxKind } from "../src/create-sandbox.ts";
import { sandboxContract } from "./contract.ts";
import type { SuiteOptions } from "./sandbox-bench.ts";
import { sandboxSecurity } from "./security.ts";

type Gaps = SuiteOptions["gaps"];

/** Registers the suites; `gaps` are by suite. */
export function testSandboxKind(
  kind: SandboxKind,
  { skip }: { readonly skip?: string },
  gaps: { readonly contract?: Gaps; readonly security?: Gaps } = {},
): void {
  const open = async (stateDir: string) => (await createSandbox({ kind, stateDir })).sandbox;
  sandboxContract(kind, open, { skip, gaps: gaps.contract });
  sandboxSecurity(kind, open, { skip, gaps: gaps.security });
}
