let
  adder = { n = 1; __functor = self: x: self.n + x; };
  two = { __functor = self: a: b: [ a b ]; };
  withArgs = { __functor = self: { a, b ? 1 }: a + b; __functionArgs = { a = false; b = true; }; };
  chain = { __functor = self: adder; };
in [ (adder 5) ((adder // { n = 10; }) 5) (two 1 2) (map (two 1) [ 2 ]) (map adder [ 1 2 ]) (withArgs { a = 1; }) (chain 0) (builtins.filter { __functor = _: x: x > 1; } [ 1 2 3 ]) (builtins.sort { __functor = _: a: b: a > b; } [ 1 3 2 ]) ]
