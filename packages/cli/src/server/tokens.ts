/*
Who may come in: tokens from a file, each for reading, for writing as well, or for deleting as well. They are kept and compared as digests, so neither memory nor timing gives
them away. Programs that know passwords only, such as Nix with a netrc file, send the token as one, under any name.

    # comment
    read  2f7c…
    write 91ab…
    admin c07d…
*/

import { createHash } from "node:crypto";
import { ACCESSES, type Access, ProtocolError } from "@firn/protocol";
import { CliError } from "../error.ts";

const TOKEN_CHARS_MIN = 16;
const TOKEN_CHARS_MAX = 1024;
const LINE = new RegExp(`^(${ACCESSES.join("|")})\\s+(\\S+)$`);

export class Tokens {
  readonly #scopes: ReadonlyMap<string, Access>;

  private constructor(scopes: ReadonlyMap<string, Access>) {
    this.#scopes = scopes;
  }

  /** Reads a file's text. Throws `configuration` naming the line; the token itself is not quoted. */
  static parse(text: string, label: string): Tokens {
    const scopes = new Map<string, Access>();
    for (const [i, line] of text.split("\n").entries()) {
      const trimmed = line.trim();
      if (trimmed === "" || trimmed.startsWith("#")) continue;
      const [, scope, token] = LINE.exec(trimmed) ?? [];
      const wrong = (what: string) => new CliError("configuration", `${label}, line ${i + 1}: ${what}`);
      if (scope === undefined) throw wrong(`expected ${ACCESSES.map((scope) => `'${scope} TOKEN'`).join(" or ")}`);
      if (token.length < TOKEN_CHARS_MIN || token.length > TOKEN_CHARS_MAX)
        throw wrong(
          `a token has ${TOKEN_CHARS_MIN} to ${TOKEN_CHARS_MAX} characters: make one with 'openssl rand -hex 32'`,
        );
      scopes.set(digestOfToken(token), scope as Access);
    }
    if (scopes.size === 0) throw new CliError("configuration", `${label} holds no tokens, so nobody could come in`);
    return new Tokens(scopes);
  }

  /** Throws `unauthenticated` or `permission-denied` unless this header's token allows it. */
  check(authorization: string | undefined, access: Access): void {
    const token = tokenOf(authorization);
    const scope = token === undefined ? undefined : this.#scopes.get(digestOfToken(token));
    if (token === undefined)
      throw new ProtocolError("unauthenticated", "a token is needed: authorization: Bearer TOKEN");
    if (scope === undefined) throw new ProtocolError("unauthenticated", "this token is not known here");
    if (ACCESSES.indexOf(access) > ACCESSES.indexOf(scope))
      throw new ProtocolError("permission-denied", `this token is for '${scope}', and '${access}' is needed`);
  }
}

function digestOfToken(token: string): string {
  return createHash("sha256").update(token).digest("base64");
}

function tokenOf(authorization: string | undefined): string | undefined {
  const [, scheme, value] = /^(Bearer|Basic)\s+(\S+)$/i.exec(authorization ?? "") ?? [];
  if (value === undefined || value.length > 4 * TOKEN_CHARS_MAX) return undefined;
  if (scheme.toLowerCase() === "bearer") return value;
  const decoded = Buffer.from(value, "base64").toString("utf8");
  return decoded.slice(decoded.indexOf(":") + 1);
}
