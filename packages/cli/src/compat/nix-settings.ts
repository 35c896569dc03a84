/*
The settings of nix.conf that mean something to an evaluation or a build: read from the files and $NIX_CONFIG as C++ Nix reads them, then from flags
(`--option NAME VALUE`, `--NAME VALUE`, `--NAME`, `--no-NAME`). Names that are Nix's but steer what is done elsewhere are taken and left
alone; others are warned about.
*/

import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { LintLevel } from "@firn/eval";
import { UsageError } from "./usage-error.ts";

const SWITCHES = [
  "show-trace",
  "trace-verbose",
  "abort-on-warn",
  "trace-function-calls",
  "restrict-eval",
  "pure-eval",
  "allow-import-from-derivation",
  "fallback",
  "keep-failed",
  "keep-going",
  "print-build-logs",
  "require-sigs",
  "substitute",
];
const LINTS = ["lint-url-literals", "lint-short-path-literals", "lint-absolute-path-literals"];
const LISTS = ["experimental-features", "nix-path"];
const NUMBERS = [
  "connect-timeout",
  "cores",
  "download-attempts",
  "max-build-log-size",
  "max-call-depth",
  "max-silent-time",
  "max-substitution-jobs",
  "timeout",
];
const OTHERS = [
  "builders",
  "eval-system",
  "max-jobs",
  "netrc-file",
  "sandbox",
  "substituters",
  "system",
  "trusted-public-keys",
];

/** Settings of Nix that change nothing here. */
const ELSEWHERE = new Set(
  `accept-flake-config access-tokens allow-dirty allow-dirty-locks allow-new-privileges allow-symlinked-store
  allow-unsafe-native-code-during-evaluation allowed-impure-host-deps allowed-uris allowed-users always-allow-substitutes
  auto-allocate-uids auto-optimise-store bash-prompt bash-prompt-prefix bash-prompt-suffix build-dir build-hook
  build-poll-interval build-users-group builders-use-substitutes commit-lock-file-summary compress-build-log
  debugger-on-trace debugger-on-warn diff-hook download-buffer-size download-speed eval-attrset-update-layer-rhs-threshold
  eval-cache eval-cores eval-profile-file eval-profiler eval-profiler-frequency external-builders extra-platforms filter-syscalls
  flake-registry fsync-metadata fsync-store-paths gc-reserved-space hashed-mirrors http-connections http2 id-count ignore-try
  ignored-acls impersonate-linux-26 impure-env json-log-path keep-build-log keep-derivations keep-env-derivations keep-outputs
  lazy-trees log-lines max-free min-free min-free-check-interval nar-buffer-size narinfo-cache-meta-ttl
  narinfo-cache-negative-ttl narinfo-cache-positive-ttl plugin-files post-build-hook pre-build-hook preallocate-contents
  print-missing repair require-drop-supplementary-groups run-diff-hook sandbox-build-dir sandbox-dev-shm-size sandbox-fallback
  sandbox-paths secret-key-files ssl-cert-file stalled-download-timeout start-id store sync-before-registering system-features
  tarball-ttl trace-import-from-derivation trust-tarballs-from-git-forges trusted-substituters trusted-users
  upgrade-nix-store-path-url use-case-hack use-cgroups use-registries use-sqlite-wal use-xdg-base-directories user-agent-suffix
  verbosity warn-dirty warn-large-path-threshold`.split(/\s+/),
);

/** Experimental features by name, so that a misspelt one is noticed. */
const FEATURES = new Set(
  `auto-allocate-uids blake3-hashes build-time-fetch-tree ca-derivations cgroups configurable-impure-env daemon-trust-override
  dynamic-derivations external-builders fetch-closure fetch-tree flakes git-hashing impure-derivations local-overlay-store mounted-ssh-store
  nix-command no-url-literals parallel-eval parse-toml-timestamps pipe-operators read-only-local-store recursive-nix
  verified-fetches`.split(/\s+/),
);

const INCLUDES_MAX = 32;

/** Values of settings that are not empty until they are said. */
const DEFAULTS = [
  ["trusted-public-keys", "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="],
  ["require-sigs", "true"],
  ["substitute", "true"],
] as const;

export class NixSettings {
  readonly #values = new Map<string, string>(DEFAULTS);
  readonly warnings: string[] = [];

  /** Whether a setting of that name exists, with or without `extra-`. */
  static knows(name: string): boolean {
    const plain = name.replace(/^extra-/, "");
    return [...SWITCHES, ...LINTS, ...LISTS, ...NUMBERS, ...OTHERS].includes(plain) || ELSEWHERE.has(plain);
  }

  static isSwitch(name: string): boolean {
    return SWITCHES.includes(name);
  }

  /** Sets it as nix.conf or a flag does. Throws UsageError when the value is not one of its kind. */
  set(name: string, value: string): void {
    if (name === "warn-short-path-literals") return this.set(LINTS[1], value === "true" ? "warn" : "ignore");
    if (!NixSettings.knows(name)) return void this.warnings.push(`unknown setting '${name}'`);
    if (name.startsWith("extra-")) {
      const plain = name.slice("extra-".length);
      this.#values.set(plain, `${this.#values.get(plain) ?? ""} ${value}`);
      return;
    }
    if (SWITCHES.includes(name) && !/^(true|yes|1|false|no|0)$/.test(value))
      throw new UsageError(`Boolean setting '${name}' has invalid value '${value}'`);
    if (LINTS.includes(name) && !/^(ignore|warn|fatal)$/.test(value))
      throw new UsageError(`setting '${name}' has invalid value '${value}', expected 'ignore', 'warn', or 'fatal'`);
    if (
      (NUMBERS.includes(name) && !/^\d{1,15}$/.test(value)) ||
      (name === "max-jobs" && !/^(auto|\d{1,9})$/.test(value))
    )
      throw new UsageError(`setting '${name}' has invalid value '${value}'`);
    this.#values.set(name, value);
  }

  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  isOn(name: string): boolean {
    return /^(true|yes|1)$/.test(this.#values.get(name) ?? "");
  }

  lint(name: "url-literals" | "short-path-literals" | "absolute-path-literals"): LintLevel {
    return (this.#values.get(`lint-${name}`) as LintLevel | undefined) ?? "ignore";
  }

  /** Names of the experimental features that are on; unknown ones become warnings. */
  features(): ReadonlySet<string> {
    const on = new Set<string>();
    for (const name of (this.#values.get("experimental-features") ?? "").split(/\s+/)) {
      if (FEATURES.has(name)) on.add(name);
      else if (name !== "") this.warnings.push(`unknown experimental feature '${name}'`);
    }
    return on;
  }

  /** Applies a text in nix.conf's syntax; `path` is where it stands, for `include`, undefined for $NIX_CONFIG. */
  apply(text: string, path: string | undefined, depth = 0): void {
    for (const line of text.split("\n")) {
      const words = line
        .replace(/#.*/, "")
        .split(/[ \t\r]+/)
        .filter((word) => word !== "");
      if (words.length === 0) continue;
      const [name, operator] = words;
      if (name === "include" || name === "!include") {
        if (words.length !== 2) throw new UsageError(`syntax error in configuration line '${line}'`);
        if (path !== undefined && depth < INCLUDES_MAX)
          this.applyFile(resolve(dirname(path), operator), name === "!include", depth + 1);
        continue;
      }
      if (words.length < 2 || operator !== "=") throw new UsageError(`syntax error in configuration line '${line}'`);
      this.set(name, words.slice(2).join(" "));
    }
  }

  /** Applies a file. Throws UsageError when it is missing, unless that is `allowed`. */
  applyFile(path: string, allowed: boolean, depth = 0): void {
    if (existsSync(path)) this.apply(readFileSync(path, "utf8"), path, depth);
    else if (!allowed) throw new UsageError(`file '${path}' included from configuration not found`);
  }
}

/** What the files and $NIX_CONFIG say: the system's nix.conf, the user's, then the variable. */
export function readNixSettings(env: Readonly<Record<string, string | undefined>>): NixSettings {
  const settings = new NixSettings();
  settings.applyFile(join(env.NIX_CONF_DIR || "/etc/nix", "nix.conf"), true);
  for (const file of userFiles(env)) settings.applyFile(file, true);
  settings.apply(env.NIX_CONFIG ?? "", undefined);
  return settings;
}

function userFiles(env: Readonly<Record<string, string | undefined>>): string[] {
  if (env.NIX_USER_CONF_FILES !== undefined) return env.NIX_USER_CONF_FILES.split(":").filter((file) => file !== "");
  const home = env.XDG_CONFIG_HOME || (env.HOME ? join(env.HOME, ".config") : undefined);
  const directories = [
    ...(env.XDG_CONFIG_DIRS || "/etc/xdg").split(":").reverse(),
    ...(home === undefined ? [] : [home]),
  ];
  return directories.map((directory) => join(directory, "nix", "nix.conf"));
}
