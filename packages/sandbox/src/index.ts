// Public, in reading order.
export { createSandbox, SANDBOX_KINDS } from "./create-sandbox.ts";
export type { CreatedSandbox, CreateSandboxOptions, SandboxKind } from "./create-sandbox.ts";
export type { SandboxPath } from "./job-space.ts";
export { findShell } from "./shell.ts";
export type { Shell } from "./shell.ts";
