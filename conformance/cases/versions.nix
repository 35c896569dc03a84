let c = a: b: builtins.compareVersions a b; in [
  (c "1.0" "1.0") (c "1.0" "1.1") (c "2.0" "1.9") (c "1.0pre1" "1.0") (c "1.0" "1.0a") (c "1.10" "1.9") (c "" "1") (c "1.0-1" "1.0-2") (c "1.0" "1.0.0") (c "a" "b") (c "1a" "1b") (c "2.3pre" "2.3pre1") (c "2.3" "2.3pre3") (c "1.-" "1") (c "99999999999999999999" "1")
  (builtins.splitVersion "1.2.3pre4-x_y") (builtins.splitVersion "") (builtins.splitVersion "a1b2") (builtins.splitVersion "1..2--3") (builtins.parseDrvName "hello-1.2.3") (builtins.parseDrvName "a-b-c") (builtins.parseDrvName "x-1-2") (builtins.parseDrvName "nix-0.12pre12876") (builtins.parseDrvName "-1") (builtins.parseDrvName "name-") (builtins.parseDrvName "") (builtins.parseDrvName "a-.b")
]
