let t = builtins.tryEval; e = throw "again"; in [
  (t 1) (t (throw "x")) (t (assert false; 1)) (t e) (t e) (t { a = throw "inside"; }).success (t (builtins.deepSeq { a = throw "inside"; } 1)) (t [ (throw "x") ]).success
  (t (let x = throw "deep"; in [ x x ] == [ 1 2 ])) (t (t (throw "in")).value) (t (if throw "c" then 1 else 2)) (t (builtins.length (throw "l"))) (t (let f = n: if n == 0 then throw "bottom" else f (n - 1) + 1; in f 100))
  (builtins.map (n: t (if n == 2 then throw "two" else n)) [ 1 2 3 ])
]
