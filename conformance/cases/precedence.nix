let f = x: x + 1; a = { b = 1; c.d = 2; }; in [
  (1 + 2 * 3) (2 * 3 + 1) (10 - 3 - 2) (100 / 5 / 2) (2 * -3) (-f 1) (f 1 * 2)
  (1 + 1 == 2) (1 < 2 == true) (!true || true) (!(true || true)) (true || false && false) (false -> true -> false) ((false -> true) -> false)
  ([ 1 ] ++ [ 2 ] ++ [ 3 ] == [ 1 2 3 ]) ({ x = 1; } // { x = 2; } // { x = 3; })
  (a ? b && a ? c.d) (!a ? z) (a ? b == true) (a ? c.d.e) (a.c.d or 7) (a.x or a.b) (a.x.y or 5)
  ("a" + "b" == "ab") (1 - 1 < 1) ([ 1 ] ++ [ ] == [ 1 ]) (if true then 1 else 2 + 3) (let x = 1; in x + 1)
  (a.c.d - 1) (f a.b) (f (a.x or 3)) ((x: x) 5) (1 != 2 && 2 != 3) ("${"a"}" + "b")
  (2 + 3 * 4 - 10 / 5) (- 3 + 5) (!false == true)
]
