(builtins.derivationStrict { name = "strict"; builder = "b"; system = "s"; outputs = [ "out" "x" ]; }) // { type = "derivation"; outputName = "out"; name = "strict"; outPath = "/unused"; }
