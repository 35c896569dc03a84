# As Nix prints values: escapes, names that need quotes, empty sets and lists.
{ a = "q\"\\\n\t\r\${x} $ ü"; "b c" = 1; "1x" = 2; "if" = 3; "x'" = 4; e = { }; l = [ ]; n = null; t = true; f = false; "" = 5; "a.b" = 6; "-x" = 7; "or" = 8; nested = [ { a = [ { } ]; } ]; neg = -5; big = 9223372036854775807; "é" = 1; "\${" = 2; }
