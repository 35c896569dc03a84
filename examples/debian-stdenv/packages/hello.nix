{ mkDerivation, sources }:

mkDerivation {
  name = "hello";
  src = sources.hello;
  outputs = [ "out" "doc" ];
  configureFlags = "--disable-dependency-tracking --disable-nls";
  postInstall = ''
    [ "$("$out/bin/hello")" = "Hello, world!" ]
  '';
}
