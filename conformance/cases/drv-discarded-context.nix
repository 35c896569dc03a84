let d = derivation { name = "d"; builder = "b"; system = "s"; }; in derivation { name = "discarded"; builder = "b"; system = "s"; text = builtins.unsafeDiscardStringContext "${d}"; }
