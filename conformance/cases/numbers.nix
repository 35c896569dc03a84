# Integers up to the largest, and floats told apart from them.
[
  0 007 42 9223372036854775807 (0 - 9223372036854775807) (-1 - 9223372036854775807 + 1)
  9007199254740993 (9007199254740992 + 1) (9007199254740993 - 9007199254740992) (94906267 * 94906267)
  (1 + 2.5) (7 / 2) (-7 / 2) (7 / -2) (-7 / -2) (7.0 / 2) (1 - 1) (0 * -5) (-0) (- -3) (-(1 + 2))
  (3037000499 * 3037000499) (9223372036854775807 / 3) (9223372036854775807 - 9223372036854775806)
  (builtins.add 1 2) (builtins.sub 1 2) (builtins.mul 3 4) (builtins.div 9 2)
  (builtins.ceil 1.2) (builtins.floor 1.8) (builtins.ceil (-1.2)) (builtins.floor (-1.2)) (builtins.ceil 3)
  (builtins.bitAnd 12 10) (builtins.bitOr 12 10) (builtins.bitXor 12 10) (builtins.bitAnd (-1) 255) (builtins.bitXor (-1) 0)
  (1 == 1.0) (1.0 == 1) (1 < 1.5) (2 > 1.5) (1.5 <= 1.5)
  (builtins.isInt 1.0) (builtins.isFloat 1.0) (builtins.typeOf 1.5)
]
