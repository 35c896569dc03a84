let inherit (builtins) path filterSource; in [
  (path { path = ./files; }) (path { path = ./files; name = "renamed"; }) (path { path = ./files/plain.txt; recursive = false; }) (path { path = ./files/plain.txt; }) (path { path = ./files/plain.txt; name = "n.txt"; recursive = false; sha256 = builtins.hashFile "sha256" ./files/plain.txt; })
  (path { path = ./files; filter = p: t: t != "directory"; name = "flat"; }) (filterSource (p: t: baseNameOf p != "plain.txt") ./files) (path { path = ./files; filter = p: t: false; }) "${./files}" "${./files/plain.txt}" "${./files/sub}" (builtins.getContext "${./files}") (builtins.getContext (path { path = ./files; })) ("${./files}" == "${path { path = ./files; name = "files"; }}") (./files + "/x" == ./files/x) (builtins.toJSON [ ./files/plain.txt ])
]
