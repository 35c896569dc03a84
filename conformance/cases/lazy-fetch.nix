let hash = "16jsqcl9000d252v205p7zvxvzkzhzgfp3ycz5zpqv86fbjf2hgv"; nix32 = import <nix/fetchurl.nix>; in map (drv: builtins.unsafeDiscardStringContext drv.drvPath) [
  (nix32 { url = "http://localhost/a-1.tar"; sha256 = hash; })
  (nix32 { url = "http://localhost/a"; sha256 = hash; executable = true; name = "b"; })
  (nix32 { url = "http://localhost/a.nar.xz"; hash = "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="; unpack = true; })
]
