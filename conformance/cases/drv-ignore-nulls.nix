derivation { name = "nulls"; builder = "b"; system = "s"; __ignoreNulls = true; a = null; b = "x"; c = [ null "y" ]; args = [ "z" ]; outputHash = null; }
