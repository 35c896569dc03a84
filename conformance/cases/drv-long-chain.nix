builtins.foldl' (dep: n: derivation { name = "link-${toString n}"; builder = "b"; system = "s"; inherit dep; }) "start" (builtins.genList (x: x) 30)
