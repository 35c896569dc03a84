# `-`, `*`, `/` and the comparisons are calls of names a program may define; a `with` does not count.
let
  sub = let __sub = a: b: "sub ${toString a} ${toString b}"; in [ (5 - 3) (-3) ];
  mul = let __mul = a: b: [ a b ]; __div = a: b: { inherit a b; }; in [ (5 * 3) (6 / 2) (1 + 2) ];
  less = let __lessThan = a: b: a == 1; in [ (1 < 2) (2 < 1) (1 > 2) (2 > 1) (1 <= 2) (2 <= 1) (1 >= 2) (2 >= 1) ];
  viaWith = with { __sub = a: b: "no"; }; [ (5 - 3) (-3) ];
  viaArgument = (__sub: 7 - 2) (a: b: "argument");
  viaFormals = ({ __mul ? (a: b: "formal") }: 7 * 2) { };
  viaRec = rec { __div = a: b: "rec"; x = 8 / 2; }.x;
  names = let __add = a: b: "unused"; __nixPath = "unused"; in 1 + 2;
in [ sub mul less viaWith viaArgument viaFormals viaRec names ]
