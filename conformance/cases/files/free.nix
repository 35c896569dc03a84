[ x (builtins.length [ 1 ]) (let x = 1; in x) ]
