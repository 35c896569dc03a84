/* What builtin:fetchurl says to servers, and which it believes: no credentials, whoever has some; no certificate that nobody vouches for; no way back to this host. */

import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import type { AddressInfo, Server } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { makeFirn } from "./firn.ts";

const FIXTURES = join(import.meta.dirname, "fixtures");

describe("builtin:fetchurl", () => {
  const firn = makeFirn({ after });
  const at = (name: string) => join(firn.directory, name);
  const asked: (string | undefined)[] = [];
  const answer: RequestListener = ({ url, headers }, response) => {
    asked.push(headers.authorization);
    if (url === "/moved") response.writeHead(302, { location: `file://${at("host-file")}` }).end();
    else response.end("contents");
  };
  const tls = ["cert", "key"].map((what) => readFileSync(join(FIXTURES, `localhost-${what}.pem`)));
  const servers: readonly Server[] = [createServer(answer), createTlsServer({ cert: tls[0], key: tls[1] }, answer)];
  const portOf = (server: Server) => (server.address() as AddressInfo).port;

  /** SHA-256 of "contents". */
  const HASH = "d1b2a59fbea7e20077af9f91b27e95e865061b270be03ff539ab3b73587882e8";
  const fetched = (url: string) => {
    asked.length = 0;
    const expression = `builtins.readFile (import <nix/fetchurl.nix> { url = "${url}"; sha256 = "${HASH}"; })`;
    return firn.run(["eval", "--raw", "-E", expression], { env: { NIX_CONFIG: `netrc-file = ${at(".netrc")}` } });
  };

  before(async () => {
    for (const server of servers) await once(server.listen(0, "localhost"), "listening");
    writeFileSync(at(".netrc"), "machine localhost login me password secret\n");
    writeFileSync(at("host-file"), "contents");
  });
  after(() => {
    for (const server of servers) server.close();
  });

  test("takes nothing from a server whose certificate nobody vouches for, and tells it nothing", async () => {
    const { code, err } = await fetched(`https://localhost:${portOf(servers[1])}/x`);
    assert.equal(code, 1, err);
    assert.match(err, /unable to download 'https:[^']*': .*certificate/);
    assert.deepEqual(asked, []);
  });

  test("sends no credentials of a netrc file", async () => {
    const { out, err } = await fetched(`http://localhost:${portOf(servers[0])}/x`);
    assert.equal(out, "contents", err);
    assert.deepEqual(asked, [undefined]);
  });

  test("is not led to a file of this host", async () => {
    const { code, err } = await fetched(`http://localhost:${portOf(servers[0])}/moved`);
    assert.notEqual(code, 0);
    assert.match(err, /unable to download 'http:[^']*\/moved'/);
  });
});
