derivation { name = "outputs"; builder = "b"; system = "s"; outputs = [ "out" "dev" "lib" "a1" ]; }
