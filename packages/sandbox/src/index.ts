// Public, in reading order.
export { checkSandboxes, createSandbox } from "./create-sandbox.ts";
export type { CreatedSandbox, CreateSandboxOptions, SandboxCheck, SandboxKind } from "./create-sandbox.ts";
export type { SandboxPath } from "./job-space.ts";
export { findShell } from "./shell.ts";
export type { Shell } from "./shell.ts";
