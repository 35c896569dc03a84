/*
`builtin:buildenv` as a builder: many packages as one tree of links, which is what a profile is. A directory of one package is one link; of several
it is a directory with links to what is in each. Of two files in one place the one with the lower priority number counts.

Follows buildProfile of C++ Nix, with its words.
*/

import { type ByteString, byteStringOf } from "@firn/base";
import type { Node, SymlinkNode } from "@firn/castore";
import type { DerivationOutput } from "@firn/nix-compat";
import { wordsOf } from "./derivation-attributes.ts";
import type { BuiltinBuild } from "./builtin-step.ts";
import type { ClosureFiles } from "./closure-files.ts";
import { type Folder, putFolder } from "./folder.ts";

const LIST_BYTES_MAX = 1 << 20;
/** Packages that packages bring along come after all that were asked for. */
const PROPAGATED_PRIORITY = 1000;
/** Useless in a profile, or in each package a different one. */
const LEFT_OUT = [
  "/propagated-build-inputs",
  "/nix-support",
  "/perllocal.pod",
  "/info/dir",
  "/log",
  "/manifest.nix",
  "/manifest.json",
];

type Link = SymlinkNode & { readonly priority: number };
type Package = { readonly path: ByteString; readonly isActive: boolean; readonly priority: number };

/** The output, a directory. */
export async function buildProfile(build: BuiltinBuild): Promise<Node> {
  const { attribute, refusal, services, options } = build;
  const profile = new Profile(build);
  await profile.addAll(packagesOf(attribute("derivations"), refusal));
  const target = attribute("manifest");
  profile.root.set("manifest.nix", { kind: "symlink", target, priority: 0 });
  return await putFolder(profile.root, services.directories, options);
}

/** For each package whether it is active, its priority, how many outputs, and these. */
function packagesOf(text: ByteString, refusal: BuiltinBuild["refusal"]): Package[] {
  const words = wordsOf(text);
  const packages: Package[] = [];
  for (let at = 0; at < words.length; ) {
    const isActive = words[at++] !== "false";
    const [priority, outputs] = [Number(words[at++]), Number(words[at++])];
    if (!Number.isSafeInteger(priority) || !(outputs >= 0 && outputs <= words.length - at))
      throw refusal("the attribute 'derivations' is no list of active, priority, number of outputs and outputs");
    for (let n = 0; n < outputs; n++) packages.push({ path: words[at++], isActive, priority });
  }
  return packages;
}

class Profile {
  readonly root: Folder<Link> = new Map();
  readonly #out: ByteString;
  readonly #files: ClosureFiles;
  readonly #refusal: BuiltinBuild["refusal"];
  readonly #warn: (text: string) => void;
  readonly #done = new Set<ByteString>();
  #postponed = new Set<ByteString>();

  constructor({ derivation, files, refusal, onLine }: BuiltinBuild) {
    this.#out = (derivation.outputs.get("out") as DerivationOutput).path;
    this.#files = files;
    this.#refusal = refusal;
    this.#warn = (text) => onLine(`warning: ${text}`);
  }

  async addAll(packages: readonly Package[]): Promise<void> {
    const order = packages.toSorted(
      (left, right) => left.priority - right.priority || (left.path < right.path ? -1 : Number(left.path > right.path)),
    );
    for (const { path, isActive, priority } of order) if (isActive) await this.#add(path, priority);
    let priority = PROPAGATED_PRIORITY;
    while (this.#postponed.size > 0) {
      const paths = [...this.#postponed].sort();
      this.#postponed = new Set();
      for (const path of paths) await this.#add(path, priority++);
    }
  }

  async #add(path: ByteString, priority: number): Promise<void> {
    if (this.#done.has(path)) return;
    this.#done.add(path);
    await this.#link(path, this.root, this.#out, priority);
    const list = await this.#files.read(`${path}/nix-support/propagated-user-env-packages`, LIST_BYTES_MAX);
    if (list === undefined) return;
    for (const other of wordsOf(byteStringOf(list))) if (!this.#done.has(other)) this.#postponed.add(other);
  }

  /** Puts what is in the directory at `from` into the folder, which will be at `to`. */
  async #link(from: ByteString, folder: Folder<Link>, to: ByteString, priority: number): Promise<void> {
    const names = await this.#files.names(from);
    if (names === undefined) {
      if ((await this.#files.find(from)) === undefined) throw this.#refusal(`'${from}' does not exist`);
      this.#warn(`not including '${from}' in the user environment because it's not a directory`);
      return;
    }
    for (const name of names) {
      if (name.startsWith(".")) continue;
      const target = `${from}/${name}`;
      const source = await this.#files.find(target);
      if (source === undefined) {
        this.#warn(`skipping dangling symlink '${to}/${name}'`);
        continue;
      }
      if (LEFT_OUT.some((suffix) => target.endsWith(suffix))) continue;
      const link: Link = { kind: "symlink", target, priority };
      const there = folder.get(name);
      if (there === undefined) folder.set(name, link);
      else if (source.node.kind === "directory") await this.#merge(folder, name, there, link, `${to}/${name}`);
      else if (there instanceof Map)
        throw this.#refusal(`collision between non-directory '${target}' and directory '${to}/${name}'`);
      else if (there.priority === priority)
        throw this.#refusal(
          `Unable to build profile. There is a conflict for the following files:\n\n  ${there.target}\n  ${target}`,
        );
      else if (there.priority > priority) folder.set(name, link);
    }
  }

  /** A directory where there is something already. */
  async #merge(
    folder: Folder<Link>,
    name: ByteString,
    there: Folder<Link> | Link,
    { target, priority }: Link,
    to: ByteString,
  ): Promise<void> {
    let merged = there;
    if (!(merged instanceof Map)) {
      const other = await this.#files.find(merged.target);
      if (other?.node.kind !== "directory")
        throw this.#refusal(`collision between '${target}' and non-directory '${other?.path ?? merged.target}'`);
      const { priority: earlier } = merged;
      folder.set(name, (merged = new Map()));
      await this.#link(other.path, merged, to, earlier);
    }
    await this.#link(target, merged, to, priority);
  }
}
