# CR, LF and CRLF in strings, comments and between tokens.
[ "ab" "a
b" "a
b" "a\
b" ''
    x
      y
  '' (1 + # comment ends here 2) ''ab'' ]
