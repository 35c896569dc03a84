let s = {
    inherit (s) d e;
}; in map (n: (builtins.unsafeGetAttrPos n s).column) [ "d" "e" ]
