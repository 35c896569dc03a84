{ "rec" = 8; "true" = 10; "if" = 3; "then" = 9; "else" = 2; "let" = 6; "in" = 4; "with" = 11; "assert" = 1; "inherit" = 5; "or" = 7; }
