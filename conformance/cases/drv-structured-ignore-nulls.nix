derivation { name = "structured-nulls"; builder = "b"; system = "s"; __structuredAttrs = true; __ignoreNulls = true; a = null; b = 1; c = [ null ]; d = { e = null; }; }
