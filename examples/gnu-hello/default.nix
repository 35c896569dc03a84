# GNU hello from its upstream tarball, compiled by the gcc of Debian's packages (../debian) in a sandbox that has neither:
# configure, make, make install; and run once.
{ debian ? import ../debian { } }:

derivation {
  name = "gnu-hello";
  inherit (debian) system toolchain libs loader glibc;
  builder = "${debian.toolchain}/bin/bash"; # the tool chain's own
  args = [ "-euc" (builtins.readFile ./hello.sh) ];
  source = debian.sources.hello;
}
