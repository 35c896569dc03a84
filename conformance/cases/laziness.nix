let
  s = { a = 1; b = throw "b"; }; ones = [ 1 ] ++ ones'; ones' = [ 2 ]; fix = f: let x = f x; in x;
  count = builtins.foldl' (a: b: a + 1) 0 (builtins.genList (x: throw "lazy") 1000);
in [ s.a (builtins.attrNames s) (builtins.length [ (throw "x") ]) ones (fix (self: { a = 1; b = self.a + 1; })) count ((x: 1) (throw "x")) (let x = throw "x"; in 2) (builtins.seq 1 2) (builtins.isAttrs s) (builtins.head [ 1 (throw "x") ]) ((({ a ? throw "d" }: 4) { })) (builtins.elemAt [ (throw "x") 5 ] 1) (s // { b = 2; }) (builtins.hasAttr "b" s) (builtins.mapAttrs (n: v: n) s) (builtins.removeAttrs s [ "b" ]) ]
