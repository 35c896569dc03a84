// Public, in reading order.
export { createSandbox } from "./create-sandbox.ts";
export type { CreatedSandbox, CreateSandboxOptions, SandboxKind } from "./create-sandbox.ts";
export { findShell } from "./shell.ts";
export type { Shell } from "./shell.ts";
