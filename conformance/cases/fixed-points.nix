let
  extends = over: f: self: let super = f self; in super // over self super; fix = f: let x = f x; in x;
  base = self: { a = 1; b = self.a + 1; c = { inherit (self) a b; }; }; o1 = self: super: { a = 10; d = super.b; }; o2 = self: super: { a = super.a + 1; e = self.d; };
in fix (extends o2 (extends o1 base))
