# A C tool chain out of Debian's packages, and upstream tarballs to compile with it, as derivations; no Nix package is needed.
#
#   debs        one derivation for each .deb: unpacked, nothing else
#   toolchain   all of them in one tree, made to run from there
#   sources     a tarball for each source package
#
# The first builders are one busybox, taken from the host as an input, so the result does not depend on which shell there is at /bin/sh.
# What is fetched by fetch.sh is checked against the hashes in debs.lock.json when it is taken into the store.
{ system ? builtins.currentSystem
, cache ? ./.cache
, busybox ? if builtins.pathExists /usr/bin/busybox then /usr/bin/busybox else /bin/busybox # must be static
}:

let
  lock = builtins.fromJSON (builtins.readFile ./debs.lock.json);

  # A directory with the one file `busybox` (it wants to be called that), whatever else is where it comes from.
  tools = builtins.path {
    name = "busybox";
    path = dirOf busybox;
    filter = path: _type: baseNameOf path == baseNameOf busybox;
  };

  # A derivation whose builder is a script for busybox; `b NAME` runs one of its tools.
  run = name: script: extra:
    derivation ({
      inherit name system;
      builder = "${tools}/${baseNameOf busybox}";
      args = [ "sh" "-euc" "b() { ${tools}/${baseNameOf busybox} \"$@\"; }\n${script}" ];
    } // extra);

  fetched = name: { file, sha256, ... }:
    builtins.path { inherit name sha256; path = cache + "/${file}"; recursive = false; };

  unpack = deb:
    run deb.name ''b dpkg-deb -x "$deb" "$out"'' { deb = fetched "${deb.name}.deb" deb; };

  libs = "lib/x86_64-linux-gnu";
in
rec {
  inherit system libs;

  debs = builtins.listToAttrs (map (deb: { inherit (deb) name; value = unpack deb; }) lock.debs);

  glibc = debs.libc6;
  loader = "${glibc}/${libs}/ld-linux-x86-64.so.2";

  toolchain = run "toolchain" (builtins.readFile ./toolchain.sh) {
    inherit libs loader;
    debs = map (deb: debs.${deb.name}) lock.debs;
  };

  sources = builtins.mapAttrs (name: fetched "${name}.tar") lock.sources;
}
