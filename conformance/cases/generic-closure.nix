let
  numbers = builtins.genericClosure { startSet = [ { key = 1; } ]; operator = x: if x.key < 40 then [ { key = x.key * 2; from = x.key; } { key = x.key * 3; from = x.key; } ] else [ ]; };
  strings = builtins.genericClosure { startSet = [ { key = "b"; } { key = "a"; } { key = "b"; extra = 1; } ]; operator = x: [ { key = "c"; } { key = x.key + x.key; } ]; };
in [ numbers (builtins.genericClosure { startSet = [ ]; operator = x: [ ]; }) (map (x: x.key) (builtins.genericClosure { startSet = [ { key = [ 1 ]; } ]; operator = x: if builtins.length x.key < 3 then [ { key = x.key ++ [ 0 ]; } { key = x.key; } ] else [ ]; })) ]
