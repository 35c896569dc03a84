let d = name: derivation { inherit name; builder = "b"; system = "s"; }; in { z = d "z"; a = d "a"; nested = { recurseForDerivations = true; m = d "m"; }; skipped = { n = d "n"; }; k = d "k"; }
