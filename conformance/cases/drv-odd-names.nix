map (name: derivation { inherit name; builder = "b"; system = "s"; }) [ "a" "A+b-c.d_e?f=g" "0" "x.drv.txt" "name-1.2.3" "_" "a.b.c" ]
