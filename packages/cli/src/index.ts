// Public, for documentation made from the commands. The program itself starts at main.ts, and nothing imports this room.
export { COMMANDS, parseCommandLine } from "./program.ts";
export type { CommandEntry, ParsedCommand } from "./program.ts";
