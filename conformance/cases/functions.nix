let
  f = { a, b ? 2, c ? a + b }: [ a b c ];
  g = { a ? 1, ... }@args: [ a (args.a or "none") (builtins.attrNames args) ];
  h = args@{ x, y ? args.x, ... }: [ x y args ];
  curried = a: b: c: d: [ a b c d ];
  three = curried 1 2;
  partial = builtins.map (builtins.add 1) [ 1 2 ];
in [
  (f { a = 1; }) (f { a = 1; b = 5; }) (f { a = 1; c = 9; }) (g { }) (g { a = 4; z = 1; }) (h { x = 1; }) (h { x = 1; y = 2; z = 3; })
  (three 3 4) (map three [ ] == [ ]) (map (three 3) [ 4 5 ]) partial (builtins.functionArgs f) (builtins.functionArgs g) (builtins.functionArgs (x: x)) (builtins.functionArgs builtins.add or "x")
  (({ }: 1) { }) (({ ... }: 2) { q = 1; }) ((x: y: z: x) 1 (throw "lazy") (throw "lazy")) (let y = f { a = 1; }; in builtins.length y)
  (({ a ? b, b ? a }: a) { b = 3; }) (builtins.isFunction f) (builtins.isFunction { __functor = f; }) (builtins.isFunction (builtins.add 1)) (let id = x: x; in id id id 5)
]
