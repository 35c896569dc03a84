# line
/* block */ [ /* in * the ** list */ 1 # end
  2 /**/ 3 /***/ 4 /* "unclosed string */ 5 "/* kept */ # kept" ] # last
