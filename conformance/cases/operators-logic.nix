let boom = throw "not looked at"; in [
  (false && boom) (true || boom) (false -> boom) (true -> true) (if true then 1 else boom)
  (true && true) (false || false) (builtins.length [ boom boom ])
]
