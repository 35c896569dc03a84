# An attribute that only names another sees what overrides it.
rec { a = 1; b = a; c = [ a ]; inherit ({ d = a; }) d; __overrides = { a = 10; }; }
