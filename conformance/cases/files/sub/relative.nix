import ../one.nix + 1
