# Some builtins look at every item, even where the function they are given does not.
let
  items = [ (throw "looked at") ];
  looks = value: (builtins.tryEval (builtins.seq value null)).success;
in
{
  partition = looks (builtins.partition (item: true) items);
  sort = looks (builtins.sort (a: b: true) items);
  filter = looks (builtins.filter (item: true) items);
  groupBy = looks (builtins.groupBy (item: "name") items);
  concatMap = looks (builtins.concatMap (item: [ item ]) items);
  any = looks (builtins.any (item: true) items);
  all = looks (builtins.all (item: true) items);
  fold = looks (builtins.foldl' (sum: item: sum) 0 items);
  map = looks (map (item: item) items);
}
