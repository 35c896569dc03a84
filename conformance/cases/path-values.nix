# As values, not as strings: relative to this file.
{ here = builtins.typeOf ./.; same = ./. == ./files/..; name = baseNameOf ./files/plain.txt; }
