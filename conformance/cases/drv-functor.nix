{ __functor = self: self.make; make = derivation; } { name = "via-functor"; builder = "b"; system = "s"; }
