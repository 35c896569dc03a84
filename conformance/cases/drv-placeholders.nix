derivation { name = "placeholders"; builder = "b"; system = "s"; outputs = [ "out" "dev" ]; flags = "--prefix=${placeholder "out"} --dev=${placeholder "dev"}"; }
