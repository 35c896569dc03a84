let
  make = attrs: derivation ({ name = "x"; builder = "b"; system = "s"; } // attrs);
  impure = make { name = "impure"; __impure = true; outputs = [ "out" "log" ]; };
in {
  inherit impure;
  fixed = make { name = "fixed"; i = impure; outputHash = "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="; };
  again = make { name = "again"; __impure = true; outputHashAlgo = "sha512"; i = impure.log; };
  deferred = make { name = "deferred"; i = impure; };
}
