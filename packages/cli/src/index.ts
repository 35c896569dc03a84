// Public, for documentation made from the commands. The program itself starts at main.ts, and nothing imports this room.
export type { CommandEntry } from "./command.ts";
export { COMMANDS, parseCommandLine } from "./program.ts";
export type { ParsedCommand } from "./program.ts";
