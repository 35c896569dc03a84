let d = { type = "derivation"; outPath = "/x"; a = 1; }; f = x: x; in [
  (d == d // { a = 2; }) (d == d // { outPath = "/y"; }) (null == null) (null == false) (true == true) ("1" == 1) ([ ] == { }) (./a == "${toString ./a}") (f == f) ([ f ] == [ f ]) ({ inherit f; } == { inherit f; }) (let s = { inherit f; }; in s == s) ([ 1 [ 2 ] ] == [ 1 [ 2 ] ]) ({ a.b = [ 1 ]; } == { a = { b = [ 1 ]; }; }) (1 != 2) ("a" != "a") ({ } == { }) (builtins.add == builtins.add) (1.0 == 1) ([ 1 2 ] == [ 1 2 3 ])
]
