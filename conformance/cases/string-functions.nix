let s = "The quick brown fox"; in [
  (builtins.stringLength s) (builtins.stringLength "☃") (builtins.substring 4 5 s) (builtins.substring 0 100 s) (builtins.substring 100 5 s) (builtins.substring 3 (-1) s)
  (builtins.substring 2 0 s) (builtins.concatStringsSep ", " [ "a" "b" "c" ]) (builtins.concatStringsSep "-" [ ]) (builtins.concatStringsSep "" [ "x" ])
  (builtins.replaceStrings [ "o" "u" ] [ "0" "U" ] s) (builtins.replaceStrings [ "" ] [ "-" ] "abc") (builtins.replaceStrings [ "a" "" ] [ "x" "." ] "aba") (builtins.replaceStrings [ "abc" "a" ] [ "1" "2" ] "abcaab")
  (builtins.replaceStrings [ ] [ ] "same") (builtins.replaceStrings [ "a" "ab" ] [ "1" "2" ] "abab") (builtins.replaceStrings [ "x" ] [ "unused" ] "abc")
  (builtins.hashString "sha256" s) (builtins.hashString "md5" "") (builtins.hashString "sha1" "x") (builtins.hashString "sha512" "ü")
  (builtins.toString true) (toString false) (toString null) (toString 12) (toString [ 1 [ 2 [ ] 3 ] null true "x" [ ] "y" ]) (toString { __toString = self: "custom ${self.x}"; x = "1"; }) (toString { outPath = "out"; })
  ("a" < "b") ("a" < "B") ("" < "a") ("ab" < "a") ("ä" < "z") (builtins.baseNameOf "a/b/c") (baseNameOf "a/b/") (baseNameOf "/") (baseNameOf "") (baseNameOf "x") (dirOf "a/b/c") (dirOf "x") (dirOf "/x") (dirOf "/") (dirOf "a/") (dirOf "")
]
