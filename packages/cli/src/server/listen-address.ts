/*
Where a server listens, as people write it: `HOST:PORT`, `:PORT`, `PORT`, `[::1]:PORT` or `unix:PATH`.
*/

import { isIP } from "node:net";
import { resolve } from "node:path";
import type { ListenAddress } from "@firn/protocol/node";
import { CliError } from "../error.ts";

export const DEFAULT_LISTEN = "127.0.0.1:7420";
/** For whoever may use the directory the socket is in. */
const SOCKET_MODE = 0o660;

/** Throws `usage`. Port 0 is any free one. */
export function parseListenAddress(text: string, workingDirectory: string): ListenAddress {
  if (text.startsWith("unix:") && text.length > 5)
    return { kind: "unix", path: resolve(workingDirectory, text.slice(5)), mode: SOCKET_MODE };
  const [, bracketed, plain, port] = /^(?:(?:\[([^\]]+)\]|([^:[\]]*)):)?(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535)
    throw new CliError(
      "usage",
      `'${text}' is no address to listen on: expected HOST:PORT, [IPV6]:PORT, PORT or unix:PATH`,
    );
  return { kind: "tcp", host: bracketed ?? (plain || "127.0.0.1"), port: Number(port) };
}

/** Whether only this machine can reach it. */
export function isPrivate(listen: ListenAddress): boolean {
  if (listen.kind === "unix" || listen.host === "localhost") return true;
  return isIP(listen.host) === 4 ? listen.host.startsWith("127.") : listen.host === "::1";
}
