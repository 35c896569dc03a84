[ (builtins.scopedImport { x = 5; } ./files/free.nix) (builtins.scopedImport { x = 6; map = 1; } ./files/free.nix) ]
