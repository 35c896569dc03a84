let s = { b = 2; a = 1; "c d" = 3; Z = 0; _ = 9; }; in [
  (builtins.attrNames s) (builtins.attrValues s) (builtins.getAttr "a" s) (builtins.hasAttr "x" s) (builtins.removeAttrs s [ "a" "zz" ]) (removeAttrs s [ ]) (builtins.listToAttrs [ { name = "x"; value = 1; } { name = "y"; value = 2; } { name = "x"; value = 3; } ])
  (builtins.intersectAttrs { a = 1; q = 2; } s) (builtins.intersectAttrs s { a = 5; b = 6; n = 7; }) (builtins.catAttrs "a" [ { a = 1; } { b = 2; } { a = 3; } ]) (builtins.mapAttrs (n: v: "${n}${toString v}") s) (builtins.zipAttrsWith (n: vs: { inherit n vs; }) [ { a = 1; } { a = 2; b = 3; } { } ])
  (s // { a = 5; }) ({ } // s) (s // { }) ({ a.b = 1; } // { a.c = 2; }) (s == s) ({ a = 1; } == { a = 1; b = 2; }) ({ a = 1; } == { a = 2; }) ({ f = x: x; } == { f = x: x; }) (builtins.isAttrs s) ({ b = 1; a = 2; }) (builtins.attrNames (s // { B = 1; "aa" = 2; })) (builtins.foldl' (a: n: a // { "k${toString n}" = n; }) { } (builtins.genList (x: x * 37 - (x * 37 / 100) * 100) 150))
  (builtins.listToAttrs [ ]) (builtins.attrValues { }) (builtins.concatStringsSep " " (builtins.attrNames { a10 = 1; a9 = 1; a-b = 1; a_b = 1; A = 1; a' = 1; }))
]
