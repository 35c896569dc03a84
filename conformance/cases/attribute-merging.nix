let x = {
  a.b = 1; a.c = 2; a.d.e = 3; a.d.f = 4;
  g = { h = 1; }; g.i = 2; g = { j = 3; };
  k.l = 1; k = { m = 2; n = { o = 3; }; }; k.n.p = 4;
  q = rec { r = 1; s = r; }; q.t = 5;
  "u".v = 1; u."w" = 2;
}; in [ x (let a.b = 1; a.c = 2; in a) (rec { a.b = 1; c = a.b; a.d = c; }) { inherit (x) a; b.c = 1; b = { inherit (x.a) b; }; } ]
