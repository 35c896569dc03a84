let s = {
  a = 1;
  b.c = 2;
    inherit (s) d;
  "quoted" = 3;
}; pos = n: v: let p = builtins.unsafeGetAttrPos n v; in if p == null then null else [ p.line p.column (baseNameOf p.file) ];
in [ (pos "a" s) (pos "b" s) (pos "c" s.b) (pos "quoted" s) (pos "x" s) (pos "a" (s // { z = 1; })) (pos "z" (s // { z = 1; })) (pos "a" (builtins.mapAttrs (n: v: v) s)) (pos "a" (builtins.removeAttrs s [ "b" ])) (pos "a" (builtins.intersectAttrs { a = 0; } s)) (__curPos.line) (__curPos.column) (pos "q" (builtins.functionArgs ({ p, q ? 1 }: p))) ]
