let
  d = name: deps: derivation { inherit name deps; builder = "/bin/sh"; system = "x86_64-linux"; };
  a = d "a" [ ]; b = d "b" [ a ]; c = d "c" [ a b ]; top = d "top" [ c b "${a}/bin" ];
in top
