derivation { name = "false-attributes"; builder = "b"; system = "s"; __contentAddressed = false; __impure = false; outputHashMode = "flat"; }
