let true = 1; false = 2; null = 3; map = x: x; builtins = { x = 9; }; in [ true false null (map 4) builtins.x ]
