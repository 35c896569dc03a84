derivation { name = "nulls-off"; builder = "b"; system = "s"; __ignoreNulls = false; a = null; b = "x"; }
