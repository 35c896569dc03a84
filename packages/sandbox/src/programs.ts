/*
Finding the host's programs by absolute path, and what they need to run: nothing of the caller's environment decides which bubblewrap is started.
Whether a program is static is read from its ELF header, which libraries a dynamic one loads is asked from ldd(1).
*/

import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { open, realpath } from "node:fs/promises";
import { promisify } from "node:util";
import { BuildError } from "@firn/build";

const DIRECTORIES = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin", "/run/current-system/sw/bin"];

/** Absolute path of a program of the host, or undefined. */
export function findProgram(name: string): string | undefined {
  for (const directory of DIRECTORIES) {
    const path = `${directory}/${name}`;
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // looked for in the next one
    }
  }
  return undefined;
}

/** As `findProgram`; throws `unsupported`, naming the package, where there is none. */
export function requireProgram(name: string, packageName: string): string {
  const path = findProgram(name);
  if (path !== undefined) return path;
  throw new BuildError("unsupported", `the program ${name} is missing (package ${packageName})`);
}

/** Types of ELF program headers, from elf(5). */
const PT_INTERP = 3;

/** The dynamic loader an ELF file asks for; undefined when it is static or no 64-bit little-endian ELF file. */
export async function interpreterOf(path: string): Promise<string | undefined> {
  await using file = await open(path);
  const header = Buffer.alloc(64);
  await file.read(header, 0, 64, 0);
  if (!isElf64(header)) return undefined;
  const tableAt = Number(header.readBigUInt64LE(32));
  const entryBytes = header.readUInt16LE(54);
  const entries = header.readUInt16LE(56);
  if (entryBytes < 56) return undefined;
  const table = Buffer.alloc(entryBytes * entries);
  await file.read(table, 0, table.length, tableAt);
  for (let at = 0; at < table.length; at += entryBytes) {
    if (table.readUInt32LE(at) !== PT_INTERP) continue;
    const text = Buffer.alloc(Math.min(4096, Number(table.readBigUInt64LE(at + 32))));
    await file.read(text, 0, text.length, Number(table.readBigUInt64LE(at + 8)));
    return text.toString("latin1").replace(/\0.*$/s, "");
  }
  return undefined;
}

/** Whether the file is an ELF program that needs no other file to run. */
export async function isStaticProgram(path: string): Promise<boolean> {
  try {
    await using file = await open(path);
    const header = Buffer.alloc(64);
    await file.read(header, 0, 64, 0);
    return isElf64(header) && (await interpreterOf(path)) === undefined;
  } catch {
    return false;
  }
}

/** The shared libraries a program loads, as the absolute paths its loader looks them up by; the loader is not among them. */
export async function librariesOf(path: string): Promise<string[]> {
  const ldd = findProgram("ldd");
  if (ldd === undefined) return [];
  const { stdout } = await promisify(execFile)(ldd, [path], { env: {} });
  return Array.from(stdout.matchAll(/=> (\/\S+) \(0x/g), (match) => match[1]);
}

/** How to start a dynamic program where only its bytes can be reached: loader, `--library-path`, program; all real paths. */
export async function throughLoader(
  path: string,
): Promise<{ loader: string; libraryPath: string; program: string } | undefined> {
  const interpreter = await interpreterOf(path);
  if (interpreter === undefined) return undefined;
  const directories = new Set<string>();
  for (const library of await librariesOf(path))
    directories.add(await realpath(library.slice(0, library.lastIndexOf("/"))));
  return {
    loader: await realpath(interpreter),
    libraryPath: [...directories].join(":"),
    program: await realpath(path),
  };
}

function isElf64(header: Buffer): boolean {
  return header.readUInt32BE(0) === 0x7f454c46 && header[4] === 2 && header[5] === 1;
}
