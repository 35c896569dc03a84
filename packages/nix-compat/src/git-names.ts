/* Names in git repositories: which may be those of branches, tags and other references, and what a commit's hash looks like. */

/** A commit hash in full. */
export const REVISION = /^[0-9a-fA-F]{40}$/;

/** Whether git takes it for a branch, a tag or a whole reference. Follows git-check-ref-format and C++ Nix's isLegalRefName. */
export function isGitRefName(name: string): boolean {
  if (name === "" || name === "@" || name.startsWith("-")) return false;
  if (/[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|\.$|^\/|\/$/.test(name)) return false;
  return name.split("/").every((part) => !part.startsWith(".") && !part.endsWith(".lock"));
}
