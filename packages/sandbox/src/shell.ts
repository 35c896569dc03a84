/*
Which shell builders get at /bin/sh. Nix promises one there, and says little more about it: best is a static busybox, one file that brings its
own tools; else the host's sh with the libraries it loads, each where its loader looks for it. Nothing else of the host comes along.
*/

import { BuildError } from "@firn/build";
import { findProgram, interpreterOf, isStaticProgram, librariesOf } from "./programs.ts";

export type Shell = {
  readonly kind: "busybox" | "host";
  /** Files to show inside; `path` is relative to the sandbox's root. The first is the shell itself, at "bin/sh". */
  readonly files: readonly { readonly hostPath: string; readonly path: string }[];
};

/** The shell this host can offer. Throws `unsupported` when it has none. */
export async function findShell(): Promise<Shell> {
  for (const name of ["busybox", "busybox-static", "busybox.static"]) {
    const busybox = findProgram(name);
    if (busybox !== undefined && (await isStaticProgram(busybox))) {
      return { kind: "busybox", files: [{ hostPath: busybox, path: "bin/sh" }] };
    }
  }
  const sh = findProgram("sh");
  if (sh === undefined) {
    throw new BuildError("unsupported", "no shell for builders was found: install busybox-static or any sh below /bin");
  }
  const interpreter = await interpreterOf(sh);
  const libraries = interpreter === undefined ? [] : [interpreter, ...(await librariesOf(sh))];
  const paths = [...new Set(libraries)].map((path) => ({ hostPath: path, path: path.slice(1) }));
  return { kind: "host", files: [{ hostPath: sh, path: "bin/sh" }, ...paths] };
}
