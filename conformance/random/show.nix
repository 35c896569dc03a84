# One value as one line of text, in the language itself: { success; value; } as tryEval gives it.
let
  quote =
    text:
    "\"${
      builtins.replaceStrings [ "\\" "\"" "\n" "\r" "\t" ] [ "\\\\" "\\\"" "\\n" "\\r" "\\t" ] (
        builtins.unsafeDiscardStringContext text
      )
    }\"";
  context = text: if builtins.hasContext text then "@" + builtins.toJSON (builtins.getContext text) else "";
  show =
    value:
    let
      type = builtins.typeOf value;
    in
    if type == "string" then
      quote value + context value
    else if type == "list" then
      "[ ${builtins.concatStringsSep " " (map show value)} ]"
    else if type == "set" && (value.type or null) == "derivation" then
      "<derivation ${builtins.unsafeDiscardStringContext value.drvPath}>"
    else if type == "set" then
      "{ ${builtins.concatStringsSep "" (map (name: "${quote name} = ${show value.${name}}; ") (builtins.attrNames value))}}"
    else if type == "null" then
      "null"
    else if type == "bool" then
      (if value then "true" else "false")
    else if type == "lambda" then
      "<function>"
    else if type == "float" then
      "${toString value}f"
    else if type == "path" then
      "path ${quote (toString value)}"
    else
      toString value;
in
value: builtins.tryEval (show value)
