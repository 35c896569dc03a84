/* Whom a cache's credentials are told to when narinfos lead elsewhere, or when the one who answers is not who was meant. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { byteStringOf, bytesOf } from "@firn/base";
import { openNixCache } from "../src/index.ts";
import { pathOf } from "../../store/test/small-store.ts";
import { type After, bring, IMPATIENT, publishedFiles, serveFiles } from "./caches.ts";

const A = pathOf("a");
const FIXTURES = join(import.meta.dirname, "../../cli/test/fixtures");
const CERT = readFileSync(join(FIXTURES, "localhost-cert.pem"), "utf8");
const SECRET = { login: "me", password: "secret" };

/** Files of a cache whose narinfo says that its NAR is at this server. */
function leadingTo(files: ReadonlyMap<string, Uint8Array>, server: string): Map<string, Uint8Array> {
  const name = `${A.hashPart}.narinfo`;
  const text = byteStringOf(files.get(name) as Uint8Array);
  return new Map(files).set(name, bytesOf(text.replace(/^URL: /m, `URL: ${server}/`)));
}

/** The files over TLS, by a certificate for localhost that nobody vouches for unless a test says so. */
async function serveTls(t: After, files: ReadonlyMap<string, Uint8Array>) {
  const asked: (string | undefined)[] = [];
  const identity = { cert: CERT, key: readFileSync(join(FIXTURES, "localhost-key.pem")) };
  const server = createServer(identity, ({ url = "/", headers }, response) => {
    asked.push(headers.authorization);
    const file = files.get(url.slice(1));
    response.writeHead(file === undefined ? 404 : 200).end(file);
  });
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `https://localhost:${(server.address() as AddressInfo).port}`, asked };
}

test("a narinfo that names another host for its NAR takes no credentials there", async (t) => {
  const files = await publishedFiles(t, [A]);
  const elsewhere = await serveFiles(t, files);
  const { url, asked } = await serveFiles(t, leadingTo(files, elsewhere.url.replace("127.0.0.1", "localhost")));
  const credentials = (host: string) => (host === "127.0.0.1" ? SECRET : undefined);
  using byHost = openNixCache(url, { credentials });
  using ofAddress = openNixCache(url.replace("http://", "http://me:secret@"));
  for (const { cache } of [byHost, ofAddress]) assert.equal((await bring([A], [cache])).isThere, true);
  assert.ok(asked.every(({ authorization }) => authorization !== undefined));
  assert.deepEqual(
    elsewhere.asked.map(({ authorization }) => authorization),
    [undefined, undefined],
  );
});

test("a narinfo that came over HTTPS does not lead to plain HTTP, where all could read the credentials", async (t) => {
  const before = getCACertificates("default");
  setDefaultCACertificates([CERT]);
  t.after(() => setDefaultCACertificates(before));
  const files = await publishedFiles(t, [A]);
  const plain = await serveFiles(t, files);
  const { url, asked } = await serveTls(t, leadingTo(files, plain.url.replace("127.0.0.1", "localhost")));
  using opened = openNixCache(url, { credentials: () => SECRET, ...IMPATIENT });
  await assert.rejects(bring([A], [opened.cache]), { code: "unsupported", message: /from HTTPS to plain HTTP/ });
  assert.ok(asked.length > 0);
  assert.deepEqual(plain.asked, []);
});

test("a cache whose certificate nobody vouches for is told nothing", async (t) => {
  const { url, asked } = await serveTls(t, await publishedFiles(t, [A]));
  using opened = openNixCache(url, { credentials: () => SECRET, ...IMPATIENT });
  await assert.rejects(opened.cache.priority(), { code: "unreachable", message: /certificate/ });
  assert.deepEqual(asked, []);
});
