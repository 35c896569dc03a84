let
  drv = derivation { name = "ctx"; builder = "b"; system = "s"; outputs = [ "out" "dev" ]; };
  file = builtins.toFile "f.txt" "text";
  both = "${drv}/bin ${drv.dev} ${file}";
in [
  (builtins.getContext both) (builtins.hasContext both) (builtins.hasContext "x") (builtins.getContext drv.drvPath) (builtins.getContext (builtins.unsafeDiscardOutputDependency drv.drvPath)) (builtins.unsafeDiscardStringContext both) (builtins.getContext (builtins.unsafeDiscardStringContext both))
  (builtins.getContext (builtins.substring 0 3 both)) (builtins.getContext (builtins.replaceStrings [ "bin" ] [ "${drv.dev}" ] "bin ${file}")) (builtins.getContext (builtins.replaceStrings [ "nothing" ] [ "${drv.dev}" ] "x")) (builtins.getContext (builtins.concatStringsSep "${file}" [ "a" "b" ])) (builtins.getContext (builtins.toJSON { a = both; })) (builtins.getContext (toString [ drv file ])) (builtins.getContext (baseNameOf "${drv}")) (builtins.getContext (dirOf "${drv}/x")) (builtins.appendContext "x" (builtins.getContext both) == "x") (builtins.getContext (builtins.appendContext "y" { ${builtins.unsafeDiscardStringContext file} = { path = true; }; })) ("${drv}" == builtins.unsafeDiscardStringContext "${drv}") (builtins.getContext (builtins.head (builtins.match "(.*)" "${drv}"))) (builtins.getContext (builtins.hashString "sha256" "${drv}")) (builtins.getContext (builtins.head (builtins.split "x" "${file}"))) (builtins.stringLength "${drv}") (map builtins.getContext (builtins.attrNames { x = 1; }))
]
