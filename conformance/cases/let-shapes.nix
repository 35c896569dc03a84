let a = 1; b = { inherit a; c = { d = a; }; }; inherit (b.c) d; e.f = d; e.g = e.f + 1; "h i" = 3; in [ a b d e ]
