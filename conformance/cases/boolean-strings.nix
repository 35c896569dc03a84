[ (toString true + "|") (toString false + "|") (toString null + "|") (toString [ true false null ] + "|") (builtins.concatStringsSep "," (map toString [ 1 2.5 true ])) ]
