derivation {
  name = "environment"; builder = "/bin/sh"; system = "x86_64-linux"; args = [ ]; int = 1; neg = -5; float = 1.5; yes = true; no = false; nothing = null; list = [ "a" 1 true null [ "b" [ ] ] ]; empty = ""; emptyList = [ ];
  set = { __toString = s: "text"; }; out2 = { outPath = "/somewhere"; }; quotes = "a\"b\\c\nd\te\rf"; unicode = "ü☃"; multi = ''
    line one
      line two
  ''; "odd name" = "x"; "dotted.name" = "y"; ZED = "z"; _under = "u"; dollar = "\$x \${y}";
}
