# A program of our own that links three libraries of the set.
{ mkDerivation, lua, sqlite, zlib }:

mkDerivation {
  name = "ledger";
  src = ./ledger.c;
  buildInputs = [ lua sqlite zlib ];
  unpackPhase = ":";
  configurePhase = ":";
  buildPhase = ''
    $CC $CPPFLAGS $CFLAGS -Wall -Werror "$src" -o ledger $LDFLAGS -llua -lsqlite3 -lz -lm -ldl -lpthread
  '';
  installPhase = ''
    mkdir -p "$out/bin"
    cp ledger "$out/bin/ledger"
    [ "$("$out/bin/ledger" 'for i = 1, 100 do book("snow", i) end')" = "snow 5050" ]
  '';
}
