# The builder of every package: unpack, configure, build, install, fixup. A variable called configurePhase, buildPhase, installPhase or postInstall is run
# instead of (or after) the phase of that name. Writes the same bytes whenever and wherever it runs.

export PATH=$toolchain/bin CONFIG_SHELL=$toolchain/bin/bash SHELL=$toolchain/bin/bash
export LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH=1
export TCL_LIBRARY=$toolchain/usr/share/tcltk/tcl8.6 TCL8_6_TM_PATH=$toolchain/usr/share/tcltk/tcl8.6/tcl8
umask 022

# Whoever compiles gets programs that start here and name their loader by store path, as every gcc and cc is this one. Every directory that is
# built in is called /build where the compiler writes a path down.
top=$PWD
mkdir "$top/.bin"
cat > "$top/.bin/gcc" << END
#!$toolchain/bin/bash
exec $toolchain/bin/gcc --sysroot=$toolchain -ffile-prefix-map=$top=/build -Wl,--dynamic-linker=$loader -Wl,-rpath,$glibc/$libs "\$@"
END
chmod +x "$top/.bin/gcc"
ln -s gcc "$top/.bin/cc"
export PATH=$top/.bin:$PATH CC=gcc AR=ar RANLIB="ranlib -D" ARFLAGS=Dcr
CPPFLAGS=
CFLAGS="-O2 -fPIC"
LDFLAGS=

# `dev` outputs name what belongs to them, so that whoever uses the headers links the library.
addInput() {
  local propagated
  if [ -e "$1/nix-support/propagated" ]; then # first: shared libraries before static ones
    while read -r propagated; do addInput "$propagated"; done < "$1/nix-support/propagated"
  fi
  if [ -d "$1/include" ]; then CPPFLAGS="$CPPFLAGS -I$1/include"; fi
  if [ -d "$1/lib" ]; then LDFLAGS="$LDFLAGS -L$1/lib -Wl,-rpath,$1/lib"; fi
  if [ -d "$1/bin" ]; then PATH=$1/bin:$PATH; fi
}
for input in $buildInputs; do addInput "$input"; done
export CPPFLAGS CFLAGS LDFLAGS

for output in $outputs; do
  mkdir -p "${!output}"
done
out=${out:-}
lib=${lib:-$out}
dev=${dev:-$out}
doc=${doc:-$out}

unpack() {
  mkdir source
  tar -xf "$src" -C source --strip-components=1
  cd source
}

configure() {
  ./configure --prefix="$out" --libdir="$lib/lib" ${configureFlags:-}
}

build() {
  make ${makeFlags:-}
}

install() {
  make install ${makeFlags:-} ${installFlags:-}
}

# Headers, static libraries and pkg-config files into `dev`, manuals into `doc`; no debugging symbols, no search paths that nothing is found by.
fixup() {
  local output file
  rm -rf "$out/share/info/dir"
  move "$out" "$dev" include lib/pkgconfig share/aclocal
  move "$lib" "$dev" lib/pkgconfig
  move "$out" "$doc" share/man share/info share/doc man
  if [ "$dev" != "$lib" ]; then
    for file in "$lib"/lib/*.a; do
      if [ -e "$file" ]; then mkdir -p "$dev/lib" && mv "$file" "$dev/lib/"; fi
    done
    mkdir -p "$dev/nix-support"
    echo "$lib" > "$dev/nix-support/propagated"
  fi
  for output in $outputs; do
    find "${!output}" -name '*.la' -delete
    find "${!output}" -type f | LC_ALL=C sort | while read -r file; do
      case $(head -c 7 "$file" | tr -d '\0') in
        $'\177ELF'*)
          strip --strip-unneeded "$file"
          if patchelf --print-rpath "$file" > /dev/null 2>&1; then patchelf --shrink-rpath "$file"; fi
          ;;
        '!<arch>') strip --strip-debug --enable-deterministic-archives "$file" ;;
        '#!'*) sed -i "1s,^#! *$toolchain/bin/\(bash\|sh\),#! /bin/sh," "$file" ;;
      esac
    done
    find "${!output}" -depth -type d -empty -not -path "${!output}" -delete
  done
}

# move FROM TO DIRECTORY...
move() {
  local from=$1 to=$2 directory
  shift 2
  [ "$from" != "$to" ] || return 0
  for directory; do
    [ -e "$from/$directory" ] || continue
    mkdir -p "$(dirname "$to/$directory")"
    mv "$from/$directory" "$to/$directory"
  done
}

for phase in unpack configure build install; do
  script=${phase}Phase
  echo "== $phase"
  if [ -n "${!script:-}" ]; then eval "${!script}"; else "$phase"; fi
done
if [ -n "${postInstall:-}" ]; then eval "$postInstall"; fi
echo "== fixup"
fixup
