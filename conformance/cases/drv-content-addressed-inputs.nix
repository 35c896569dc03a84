let
  make = attrs: derivation ({ name = "x"; builder = "b"; system = "s"; } // attrs);
  floating = make { __contentAddressed = true; outputs = [ "out" "dev" ]; };
  deferred = make { name = "deferred"; outputs = [ "out" "dev" ]; a = floating; b = floating.dev; };
  hash = "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
in {
  inherit deferred;
  twice = make { name = "twice"; x = deferred.dev; s = floating.drvPath; };
  fixed = make { name = "fixed"; outputHash = hash; outputHashMode = "recursive"; __contentAddressed = true; a = floating; };
  behind-fixed = make { name = "behind-fixed"; a = make { name = "fixed"; outputHash = hash; a = floating; }; };
  names-it = make { name = "names-it"; text = builtins.unsafeDiscardOutputDependency floating.drvPath; };
}
