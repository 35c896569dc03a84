let l = [ 3 1 2 ]; in [
  (builtins.length l) (builtins.head l) (builtins.tail l) (builtins.elemAt l 2) (builtins.elem 1 l) (builtins.elem 9 l) (builtins.elem { a = 1; } [ { a = 1; } ]) (map (x: x * 2) l) (builtins.filter (x: x > 1) l)
  (builtins.foldl' (a: b: a - b) 10 l) (builtins.foldl' (a: b: a ++ [ b ]) [ ] l) (builtins.all (x: x > 0) l) (builtins.any (x: x > 2) l) (builtins.all (x: false) [ ]) (builtins.any (x: true) [ ]) (builtins.concatLists [ [ 1 ] [ ] [ 2 [ 3 ] ] ]) (builtins.concatMap (x: [ x x ]) l)
  (builtins.genList (x: x * x) 5) (builtins.genList (x: x) 0) (builtins.partition (x: x > 1) l) (builtins.groupBy (x: if x > 1 then "big" else "small") l) ([ ] ++ l ++ [ ]) (l ++ [ [ ] ]) (l == [ 3 1 2 ]) ([ ] == [ ]) ([ 1 ] == [ 1.0 ]) (builtins.isList l) (builtins.sort builtins.lessThan [ "b" "a" "" "B" ]) (builtins.tail [ 1 ]) (builtins.concatLists [ ])
]
