derivation { name = "structured-off"; builder = "b"; system = "s"; __structuredAttrs = false; list = [ 1 2 ]; }
