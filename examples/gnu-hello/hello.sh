# Unpacks, configures, compiles and installs GNU hello, then runs it. The program finds its loader and libc in the glibc package by store path, and
# nothing of the tool chain is left in it: that is what makes the closure of the result two paths.

export PATH=$toolchain/bin CONFIG_SHELL=$toolchain/bin/bash SHELL=$toolchain/bin/bash
export LC_ALL=C SOURCE_DATE_EPOCH=1 TZ=UTC

tar -xf "$source"
cd hello-*

"$SHELL" ./configure --prefix="$out" --disable-dependency-tracking --disable-nls \
  CC="gcc --sysroot=$toolchain" CFLAGS=-O2 \
  LDFLAGS="-Wl,--dynamic-linker=$loader -Wl,-rpath,$glibc/$libs"
make
make install
rm -rf "$out/share/info/dir"
strip "$out/bin/hello"

"$out/bin/hello"
[ "$("$out/bin/hello")" = "Hello, world!" ]
