#!/bin/sh
# Gets what default.nix is made from, by apt, into .cache beside this file: upstream's tarballs of some source packages, and the packages of a C
# tool chain with everything they depend on. Writes debs.lock.json. Nothing outside of this folder is changed: apt works with lists, status and cache of its own,
# and with the machine's Debian sources plus `deb-src`. Needs a Debian with apt, no root. Run again, it only gets what is missing.
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
cache=$here/.cache
apt=$cache/apt
packages="bash binutils bzip2 coreutils dash diffutils findutils gawk gcc grep gzip libc6-dev make patchelf sed tar tcl8.6 xz-utils"
sources="hello jq lua5.4 sed sqlite3 zlib"

mkdir -p "$apt/sources" "$apt/lists/partial" "$apt/cache/archives/partial" "$cache/source"
: > "$apt/status" # no package counts as installed, so that every dependency is fetched

# The machine's own Debian sources, with source packages: from the main archive only, as the
# security archive does not keep all it lists. Others (an archive whose path does not end in debian or debian-security) are left out.
rm -f "$apt"/sources/*
for file in /etc/apt/sources.list.d/*.sources; do
  [ -e "$file" ] || continue
  awk 'BEGIN { RS = ""; FS = "\n" }
    /(^|\n)URIs:[^\n]*\/debian(-security)?\/?([ \n]|$)/ {
      security = /\nURIs:[^\n]*\/debian-security/
      sub(/(^|\n)Types:[^\n]*/, security ? "\nTypes: deb" : "\nTypes: deb deb-src"); print $0 "\n" }' "$file" > "$apt/sources/$(basename "$file")"
done
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  [ -e "$file" ] || continue
  sed -nE -e 's,^deb(-src)?([[:space:]].*/debian/?[[:space:]].*)$,deb\2\ndeb-src\2,p' \
    -e 's,^deb([[:space:]].*/debian-security/?[[:space:]].*)$,&,p' "$file" > "$apt/sources/$(basename "$file" .list).list"
done

run_apt() {
  apt-get -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$apt/sources" -o Dir::State="$apt" -o Dir::State::Lists="$apt/lists" \
    -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User="" -o Debug::NoLocking=1 "$@"
}

run_apt update
# shellcheck disable=SC2086 # the list is meant to be split
run_apt install --yes --download-only --no-install-recommends $packages
# shellcheck disable=SC2086
(cd "$cache/source" && run_apt source --download-only --tar-only $sources)

# debs.lock.json: what was fetched, by content. Hashes are of the files as they are now; apt checked them against the archive's signature.
{
  printf '{\n  "sources": {'
  separator='\n'
  for name in $sources; do
    tarball=$(cd "$cache/source" && ls "$name"_*.orig.tar.* | grep -v '\.asc$' | tail -n 1)
    printf "$separator"
    printf '    "%s": { "file": "source/%s", "sha256": "%s" }' "$name" "$tarball" "$(sha256sum "$cache/source/$tarball" | cut -d ' ' -f 1)"
    separator=',\n'
  done
  printf '\n  },\n'
  printf '  "debs": ['
  separator='\n'
  for uri in $(run_apt install --yes --print-uris --no-install-recommends --reinstall $packages -o Dir::Cache::archives="$apt/none/" | awk "/^'/ { print \$2 }" | LC_ALL=C sort); do
    file=$apt/cache/archives/$uri
    printf "$separator"
    printf '    { "name": "%s", "version": "%s", "file": "apt/cache/archives/%s", "sha256": "%s" }' \
      "$(dpkg-deb -f "$file" Package)" "$(dpkg-deb -f "$file" Version)" "$uri" "$(sha256sum "$file" | cut -d ' ' -f 1)"
    separator=',\n'
  done
  printf '\n  ]\n}\n'
} > "$here/debs.lock.json.new"
mv "$here/debs.lock.json.new" "$here/debs.lock.json"
echo "wrote debs.lock.json: $(grep -c '"version"' "$here/debs.lock.json") packages"
