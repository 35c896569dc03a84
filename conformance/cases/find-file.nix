# The search path is looked at as a whole, also where an entry is for another name.
let
  fails = value: !(builtins.tryEval (builtins.seq value null)).success;
  here = ./files;
in
{
  found = builtins.findFile [ { path = here; prefix = "x"; } ] "x" == here;
  second = builtins.findFile [ { path = ./absent; } { path = ./.; } ] "files" == here;
  thrown = fails (builtins.findFile [ { path = here; prefix = "x"; } { path = throw "looked at"; prefix = "y"; } ] "x");
  absent = fails (builtins.findFile [ ] "absent");
}
