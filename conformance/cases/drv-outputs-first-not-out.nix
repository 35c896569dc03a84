derivation { name = "first"; builder = "b"; system = "s"; outputs = [ "bin" "out" "man" ]; }
