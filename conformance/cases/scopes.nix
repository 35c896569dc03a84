let
  x = "outer"; y = "y"; attrs = { x = "with"; z = "z"; };
in [
  (with attrs; x) (with attrs; z) (with attrs; with { z = "inner"; }; z) (with { a = 1; }; with { b = 2; }; a + b)
  (let x = "inner"; in x) (let inherit (attrs) z; in z) (let inherit x; in x) (rec { inherit x; y = x; }).y (rec { x = "rec"; y = x; }).y
  (let a = b; b = 1; in a) ({ inherit x y; }) ({ inherit (attrs) x z; }) (let f = x: let y = x; in y; in f 5)
  ((x: y: x + y) "1" "2") ((x: x: x) 1 2) ((x: y: x: x) 1 2 3) ((x: y: z: y: [ x y z ]) 1 2 3 4) (with attrs; let x = "let"; in x) (with attrs; (x: x) "arg") ((x: x) 1)
  (let inherit ({ q = 1; }) q; inherit ({ r = 2; }) r; in q + r) (rec { inherit (attrs) z; w = z; }).w
  (let x = "1"; in with attrs; { inherit x; }) (let attrs = { x = "no"; }; in with attrs; x)
  (with rec { a = b; b = 4; }; a) (let with_ = 1; in with_) (let a' = 1; a-b = 2; _a = 3; in [ a' a-b _a ])
  (let or = 1; in [ 2 ]) ({ or = 5; }.or) (let { body = a + 1; a = 2; })
  (with { inherit x; z = 3; }; z) (let f = { a, b ? a }: b; in f { a = 6; })
]
