[ (let { body = x; x = 1; }) (let { body = { a = y; }; y = 2; }).a ]
