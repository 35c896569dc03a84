# mkDerivation: a derivation whose builder goes through the phases of setup.sh. Attributes become variables of the builder; those called
# `buildPhase` and so on are scripts that take the place of a phase.
{ debian }:

{
  mkDerivation = { outputs ? [ "out" ], buildInputs ? [ ], ... }@attributes:
    derivation (attributes // {
      inherit (debian) system toolchain loader glibc libs;
      inherit outputs;
      builder = "${debian.toolchain}/bin/bash";
      args = [ "-eu" ./setup.sh ];
      # Headers and static libraries are looked for in the `dev` outputs of what has one.
      buildInputs = map (input: input.dev or input) buildInputs;
      # What was only needed to build must not be needed to run.
      disallowedReferences = [ debian.toolchain ];
    });
}
