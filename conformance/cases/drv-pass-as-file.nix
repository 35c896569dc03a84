derivation { name = "pass-as-file"; builder = "b"; system = "s"; passAsFile = [ "big" "other" ]; big = "contents\nmore"; other = "x"; }
