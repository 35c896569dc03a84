let inherit (builtins) path filterSource; in derivation {
  name = "source-copies"; builder = "b"; system = "s"; a = path { path = ./files; name = "all"; }; b = path { path = ./files; filter = p: t: baseNameOf p != "sub"; }; c = path { path = ./files/plain.txt; recursive = false; }; d = filterSource (p: t: t == "directory" || baseNameOf p == "inner.txt") ./files; e = path { path = ./files/script.sh; };
}
