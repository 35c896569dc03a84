[
  ''''
  ''one''
  ''
    two
      deeper
    back
  ''
  ''
    ends without break''
  ''

    blank first

    and between

  ''
  ''  leading
    other''
  ''
    ${"x"}
      ${"y"} z
  ''
  ''
    escapes: ''${no} ''' ''\n ''\t ''\\ $ $$ $''${x} ''$ ''\${y} '
  ''
  ''
	tab is no indentation
    spaces are
  ''
  ''
     a
    b
   c''
  ''a
    b''
  ''
      ${"first"} is indented
    second less''
  ''   ''
  ''
  ''
  ''
    trailing spaces   
    kept   ''
  ''x''\'y''
  ''
    $${not} $$$${"yes"}
  ''
  ''''${a}''
  ''
    a${"b"}
      c${"d"}e
    ''
]
