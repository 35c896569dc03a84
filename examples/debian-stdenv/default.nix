# A small package set the way nixpkgs is one: an stdenv (stdenv.nix, setup.sh) on Debian's tool chain, packages as functions of what they need,
# libraries with a `dev` output of their own, references that are found and checked.
{ debian ? import ../debian { } }:

let
  stdenv = import ./stdenv.nix { inherit debian; };

  # Calls the function in `file` with the arguments it names, taken from the set.
  callPackage = file:
    let package = import file; in package (builtins.intersectAttrs (builtins.functionArgs package) scope);

  scope = packages // {
    inherit (stdenv) mkDerivation;
    inherit (debian) sources;
  };

  packages = {
    hello = callPackage ./packages/hello.nix;
    jq = callPackage ./packages/jq.nix;
    ledger = callPackage ./packages/ledger;
    lua = callPackage ./packages/lua.nix;
    sed = callPackage ./packages/sed.nix;
    sqlite = callPackage ./packages/sqlite.nix;
    zlib = callPackage ./packages/zlib.nix;
  };
in
packages
