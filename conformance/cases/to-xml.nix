builtins.toXML {
  int = 1; float = 1.5; string = "a<b>&\"c'\n"; bool = true; null = null; list = [ 1 [ ] { } ]; set = { x.y = 1; "q\"" = 2; };
  path = /a/b; function = x: x; formals = { a, b ? 1, ... }@args: a; builtin = builtins.add; drv = { type = "derivation"; drvPath = "/d"; outPath = "/o"; x = 1; }; formals2 = { z, y }: z;
}
