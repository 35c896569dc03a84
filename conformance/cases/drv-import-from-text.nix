let f = builtins.toFile "expr.nix" "{ name }: derivation { inherit name; builder = \"b\"; system = \"s\"; }"; in import f { name = "imported"; }
