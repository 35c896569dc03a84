# The interpreter, and its library for others to link; upstream's makefiles know no `configure`.
{ mkDerivation, sources }:

mkDerivation {
  name = "lua";
  src = sources."lua5.4";
  outputs = [ "out" "dev" "doc" ];
  configurePhase = ":";
  buildPhase = ''
    make -C src all CC="$CC" AR="ar Dcr" RANLIB="$RANLIB" CFLAGS="$CFLAGS -DLUA_USE_POSIX -DLUA_USE_DLOPEN" LDFLAGS="$LDFLAGS -Wl,-E" LIBS="-lm -ldl"
  '';
  installPhase = ''
    make install INSTALL_TOP="$out" INSTALL_MAN="$out/share/man/man1"
    [ "$("$out/bin/lua" -e 'print(6 * 7)')" = 42 ]
  '';
}
