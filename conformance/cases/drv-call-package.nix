let
  mk = { name, version ? "1", deps ? [ ], ... }@args: derivation (removeAttrs args [ "version" "deps" ] // { name = "${name}-${version}"; builder = "/bin/sh"; system = "x86_64-linux"; inherit deps; });
  self = { zlib = mk { name = "zlib"; }; openssl = mk { name = "openssl"; version = "3.0"; deps = [ self.zlib ]; }; curl = mk { name = "curl"; deps = with self; [ zlib openssl ]; opts = "--ssl=${self.openssl}"; }; };
in self
