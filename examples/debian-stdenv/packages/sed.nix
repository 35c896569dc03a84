{ mkDerivation, sources }:

mkDerivation {
  name = "sed";
  src = sources.sed;
  outputs = [ "out" "doc" ];
  configureFlags = "--disable-dependency-tracking --disable-nls --disable-acl --without-selinux";
  postInstall = ''
    [ "$(echo frost | "$out/bin/sed" s/o/e/)" = frest ]
  '';
}
