# Only their text in strings, as values print in two ways between versions.
map toString [ 1.0 0.5 .5 1. 1.e3 1.5e-3 2.5E+2 100000.0 1000000.0 1.0e100 0.1 0.30000000000000004 123456.789 1.0e-5 (1.0 / 3) (0.0 - 1.5) 3.14159265358979 ]
