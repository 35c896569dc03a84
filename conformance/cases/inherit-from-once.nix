let
  counted = { a = 1; b = 2; c = 3; }; f = x: { inherit (x.inner) p q; inherit (counted) a c; };
in [ (f { inner = { p = 1; q = 2; }; }) (let inherit (counted) a b; in { inherit a b; }) (rec { inherit (counted) a; b = a; inherit ({ z = b; }) z; }) (with counted; { inherit a; }) ({ inherit (with counted; { y = b; }) y; }) ]
