/*
Credentials by host, from a file as ftp, curl and Nix read it: words, `machine NAME login WHO password WORD`, and `default` for all other hosts. Macros are
stepped over. A word in quotes may hold spaces.
*/

export type Credentials = { readonly login: string; readonly password: string };

/** Longest file that is read, in characters. */
export const NETRC_CHARS_MAX = 1024 * 1024;

export class Netrc {
  readonly #byHost = new Map<string, Credentials>();
  #default: Credentials | undefined;

  /** Reads the text of a file; what it does not understand it leaves out, as others do. */
  constructor(text: string) {
    const words = text
      .slice(0, NETRC_CHARS_MAX)
      .replace(/^\s*#.*$/gm, "")
      .replace(/^[ \t]*macdef[\s\S]*?(?:\n[ \t]*\n|(?![\s\S]))/gm, "");
    let host: string | undefined;
    let entry: { login: string; password: string } | undefined;
    const end = () => {
      if (entry === undefined) return;
      if (host === undefined) this.#default ??= entry;
      else if (!this.#byHost.has(host)) this.#byHost.set(host, entry);
    };
    const tokens = words.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g);
    for (let token = tokens.next(); !token.done; token = tokens.next()) {
      const [, quoted, word] = token.value;
      const value = () => {
        const [, inner, plain] = tokens.next().value ?? [];
        return inner?.replace(/\\(.)/g, "$1") ?? plain ?? "";
      };
      if (quoted !== undefined) continue;
      if (word === "machine" || word === "default") {
        end();
        host = word === "default" ? undefined : value().toLowerCase();
        entry = { login: "", password: "" };
      } else if (word === "login" && entry !== undefined) entry.login = value();
      else if (word === "password" && entry !== undefined) entry.password = value();
      else if (word === "account") value();
    }
    end();
  }

  /** For a host without its port. */
  for(host: string): Credentials | undefined {
    return this.#byHost.get(host.toLowerCase()) ?? this.#default;
  }
}
