derivation { name = "none"; builder = "b"; system = "s"; outputs = [ "lib" "doc" ]; }
