let
  make = attrs: derivation ({ name = "x"; builder = "b"; system = "s"; } // attrs);
  plain = make { __contentAddressed = true; outputs = [ "out" "dev" ]; };
  flat = make { name = "flat"; __contentAddressed = true; outputHashMode = "flat"; outputHashAlgo = "sha1"; dep = plain.dev; };
in {
  inherit plain flat;
  structured = make { name = "structured"; __structuredAttrs = true; __contentAddressed = true; outputs = [ "out" "lib" ]; a = plain; };
}
