[ ("a" + "b" + "c") (toString (./x + "y" + "/z")) ("x" + toString 1) ("pre" + "${toString ./p}" == "pre" + toString ./p) ]
