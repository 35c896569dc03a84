let a = "x"; in [
  (toString ./a) (toString ./a/../b) (toString ../up) (toString /abs/./p/../q) (toString ./files/${a}) (toString ./files/${a}/y) (toString ./${a}-${a}.nix) (toString /${a}) (toString (./. + "/b")) (toString (./. + "b"))
  (toString (/a + "/../b")) (toString (./. + "/")) (./a == ./b/../a) (builtins.isPath ./a) (builtins.typeOf ./a) (baseNameOf ./a/b.c) (toString (dirOf ./a/b)) (toString (dirOf /a)) (toString (dirOf /a/b/c))
  (/a < /b) (builtins.pathExists ./files) (builtins.pathExists ./files/none) (builtins.pathExists (toString ./files/plain.txt)) (builtins.pathExists ./files/plain.txt/x)
  (toString (/. + "/x")) (toString ./a.b/c-d_e+f) (builtins.toPath "/a/../b") (builtins.isString (toString ./a))
  (builtins.readFile ./files/plain.txt) (builtins.readDir ./files) (builtins.hashFile "sha256" ./files/plain.txt) (import ./files/one.nix) (import ./files) (import ./files/function.nix { x = 3; })
  (builtins.length [ ./a/b a/b ])
]
