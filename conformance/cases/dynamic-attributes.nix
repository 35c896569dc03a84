let n = "name"; s = { ${n} = 1; "${n}2" = 2; ${null} = 3; a.${n}.b = 4; ${n + "x"}.y = 5; }; in [
  s s.${n} s."${n}2" (s.a.${n}.b) (s ? ${n}) (s ? "${n}2") (s ? a.${n}.c) (s.${"miss"} or 0) (s.a."${n}".b or 1)
  { "${"a"}" = 1; } { ${"b"} = 2; } { "a b" = 1; "" = 2; "1" = 3; "a.b" = 4; "é" = 5; "\${x}" = 6; "if" = 7; }
  { a = 1; ${if false then "x" else null} = throw "unused"; }
]
