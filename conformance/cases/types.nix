map builtins.typeOf [ 1 1.0 "x" true null [ ] { } (x: x) ./a builtins.map (builtins.add 1) { __functor = x: x; } ]
++ map builtins.isBool [ true 1 ] ++ map builtins.isNull [ null 1 ] ++ map builtins.isString [ "a" ./a ] ++ map builtins.isAttrs [ { } [ ] ] ++ map builtins.isFloat [ 1.0 1 ]
