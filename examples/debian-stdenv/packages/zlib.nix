{ mkDerivation, sources }:

mkDerivation {
  name = "zlib";
  src = sources.zlib;
  outputs = [ "out" "dev" "doc" ];
  configurePhase = ''
    ./configure --prefix="$out" --libdir="$lib/lib"
  '';
}
