let dep = derivation { name = "dep"; builder = "b"; system = "s"; }; in derivation {
  name = "structured"; builder = "/bin/sh"; system = "x86_64-linux"; __structuredAttrs = true; args = [ "-e" 1 ]; outputs = [ "out" "dev" ];
  int = 1; neg = -2; yes = true; no = false; nothing = null; list = [ 1 "two" [ 3 { four = 4; } ] null ]; set = { b = 1; a = { c = [ ]; d = { }; }; "odd key" = "v"; }; text = "a\"b\\c\n\tü☃ </>"; inherit dep; deps = { x = dep; y = [ "${dep}/bin" ]; }; empty = ""; big = 9223372036854775807;
}
