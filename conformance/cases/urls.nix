[ http://example.org/a?b=c&d=e mailto:x@y.z x:y a+b.c-d:%20 ]
