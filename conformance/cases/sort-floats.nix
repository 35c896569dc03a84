# Equal numbers of two kinds keep their order.
builtins.sort (a: b: a < b) [ 1 1.0 0.5 2 1 ]
