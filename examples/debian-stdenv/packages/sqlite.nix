# From the sources as they are developed: Tcl scripts first put them together into one file.
{ mkDerivation, sources, zlib }:

mkDerivation {
  name = "sqlite";
  src = sources.sqlite3;
  outputs = [ "out" "lib" "dev" ];
  buildInputs = [ zlib ];
  configureFlags = "--disable-tcl --disable-readline --enable-threadsafe";
  postInstall = ''
    [ "$("$out/bin/sqlite3" :memory: 'select sum(value) from json_each("[20, 22]")')" = 42 ]
  '';
}
