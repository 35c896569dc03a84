rec {
  a = b + 1; b = c.d; c = { d = 4; e = a; }; "quoted name" = a; f = n: if n == 0 then 1 else n * f (n - 1); g = f 10;
  inner = rec { a = 100; h = a; i = b; }; ${"dyn" + "amic"} = a + 5; list = [ a b ]; self = inner.h;
}
