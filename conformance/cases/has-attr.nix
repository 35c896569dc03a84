let s = { a.b.c = null; d = throw "x"; }; in [ (s ? a) (s ? a.b) (s ? a.b.c) (s ? a.b.c.d) (s ? x) (s ? x.y) (s ? d) (1 ? a) ("x" ? a.b) ({ } ? a) ((x: x) ? a) (s ? "a".b) ]
