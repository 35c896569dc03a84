let
  drv = derivation { name = "ctx-values"; builder = "b"; system = "s"; };
in { inherit (drv) name type outputName system; out = drv.outPath; drv = drv.drvPath; all = map (d: d.outPath) drv.all; attrs = drv.drvAttrs; self = drv.out.outPath; again = drv == drv.out; interpolated = "${drv}"; }
