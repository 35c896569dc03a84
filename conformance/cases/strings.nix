[
  "" "plain" "a\nb\tc\rd\\e\"f" "\${no}" "$" "$$" "$a" "\a\b" "$${x}" "$$${"y"}" "a${"b"}c" "${"only"}" "${"x" + "y"}${"z"}"
  "line
break" "tab	inside" "ünïcode ☃ 𝄞" "''" "'" "\'" "{}" "#no comment" "/* nor this */"
  "nested ${"inner ${"innermost"} end"} done" "${toString 1}${toString [ 1 2 ]}"
]
