/*
Servers by URL, as Snix and Tvix write them: `grpc+http://host:port`, `grpc+https://host`, `grpc+unix:/path`.
*/

import { ProtocolError } from "../error.ts";
import type { GrpcTarget } from "./grpc-channel.ts";

const HTTP_PORT = 80;
const HTTPS_PORT = 443;

/** Where a URL leads; its query is not looked at. Throws `invalid-argument`. */
export function parseGrpcUrl(text: string): GrpcTarget {
  const [, variant, place] = /^grpc\+(https?|unix):([^?]*)/s.exec(text) ?? [];
  if (variant === "unix") {
    const path = place.replace(/^\/\/(?=\/)/, "");
    if (path.startsWith("/") && !path.startsWith("//")) return { kind: "unix", path };
  } else if (variant !== undefined) {
    const url = URL.parse(`${variant}:${place}`);
    const isBare = url !== null && /^\/?$/.test(url.pathname) && url.username === "" && url.hash === "";
    if (isBare && place.startsWith("//") && url.hostname !== "") {
      const isSecure = variant === "https";
      const port = url.port === "" ? (isSecure ? HTTPS_PORT : HTTP_PORT) : Number(url.port);
      return { kind: "tcp", host: url.hostname.replace(/^\[(.*)\]$/, "$1"), port, isSecure };
    }
  }
  throw new ProtocolError(
    "invalid-argument",
    `'${text.slice(0, 200)}' is no server: expected grpc+http://HOST:PORT, grpc+https://HOST or grpc+unix:/PATH`,
  );
}
