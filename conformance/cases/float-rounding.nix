# Values half-way between two texts go to the even digit; a zero keeps its sign.
let
  shown = [
    100000.5
    100001.5
    1000005.0
    1000015.0
    999999.5
    (-100000.5)
    0.5
    2.5
  ];
  fixed = map toString [
    (-0.0078125)
    0.0078125
    0.0234375
    (0.0 / (-1))
    (0.0 - 1.0e-7)
    5.0e-7
    123456789012345680.0
  ];
in
{ inherit fixed shown; }
