[
  (builtins.toJSON { a = 1; b = [ true null "x" ]; "c\"d" = "\n\t\\ \r"; z = { }; y = [ ]; }) (builtins.toJSON "ü☃ \u0001") (builtins.toJSON (-5)) (builtins.toJSON { outPath = "x"; a = 1; }) (builtins.toJSON { __toString = s: "str"; b = throw "x"; }) (builtins.toJSON [ [ [ ] ] ]) (builtins.toJSON 1.5) (builtins.toJSON null) (builtins.toJSON "</script>") (builtins.toJSON "") (builtins.toJSON 9223372036854775807)
]
