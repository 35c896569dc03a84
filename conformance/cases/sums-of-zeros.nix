# The operator sums from 0.0 on, the builtin does not.
let
  negative = 0.0 * (-1);
in
{
  operator = toString (negative + negative);
  builtin = toString (builtins.add negative negative);
  mixed = toString (negative + 0);
}
