# Two ways to fetch the same thing: what depends on them does not change with the way.
let
  source = url: derivation { name = "source"; builder = "fetch"; system = "s"; inherit url; outputHashAlgo = "sha256"; outputHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"; };
  use = name: src: derivation { inherit name src; builder = "b"; system = "s"; };
in [ (use "one" (source "http://a")) (use "one" (source "http://b")) (use "two" (use "inner" (source "http://a"))) (use "two" (use "inner" (source "http://b"))) ]
