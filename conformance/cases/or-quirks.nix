let f = x: y: x; s = { a = 1; }; or = 7; in [ (s.a or 2) (s.b or 2) (s.b or s.a) (s.b.c.d or (-1)) (s.a.b or 3) ({ }.x or { y = 1; }.y) (builtins.head [ s.b or 9 ]) (f s.b or 1 2) (s.x or s.y or 4) ]
