let
  items = builtins.genList (i: { key = (i * 7 + 3) - ((i * 7 + 3) / 5) * 5; inherit i; }) 60;
  show = map (x: "${toString x.key}.${toString x.i}");
in [ (show (builtins.sort (a: b: a.key < b.key) items)) (show (builtins.sort (a: b: a.key > b.key) items)) (show (builtins.sort (a: b: false) items)) (builtins.sort builtins.lessThan [ 5 3 9 1 ]) (builtins.sort (a: b: a < b) [ ]) ]
