/*
Token kinds, as small integers so that the parser's tests are integer compares. Strings and paths are not tokens: their opening is,
and the parser scans what follows itself, because `${` nests whole expressions in them.
*/

export const T_EOF = 0;
export const T_ID = 1;
export const T_INT = 2;
export const T_FLOAT = 3;
export const T_STRING = 4; // "
export const T_IND_STRING = 5; // ''
export const T_PATH = 6; // ./a, a/b, ~/a, or the start of one before ${
export const T_SEARCH_PATH = 7; // <a/b>
export const T_URI = 8;
export const T_IF = 9;
export const T_THEN = 10;
export const T_ELSE = 11;
export const T_ASSERT = 12;
export const T_WITH = 13;
export const T_LET = 14;
export const T_IN = 15;
export const T_REC = 16;
export const T_INHERIT = 17;
export const T_OR = 18;
export const T_ELLIPSIS = 19;
export const T_EQ = 20; // ==
export const T_NEQ = 21;
export const T_LE = 22;
export const T_GE = 23;
export const T_LT = 24;
export const T_GT = 25;
export const T_AND = 26;
export const T_OR_OR = 27;
export const T_IMPL = 28;
export const T_UPDATE = 29; // //
export const T_CONCAT = 30; // ++
export const T_PLUS = 31;
export const T_MINUS = 32;
export const T_MUL = 33;
export const T_DIV = 34;
export const T_NOT = 35;
export const T_ASSIGN = 36;
export const T_SEMI = 37;
export const T_COLON = 38;
export const T_COMMA = 39;
export const T_DOT = 40;
export const T_AT = 41;
export const T_QUESTION = 42;
export const T_LPAREN = 43;
export const T_RPAREN = 44;
export const T_LBRACKET = 45;
export const T_RBRACKET = 46;
export const T_LBRACE = 47;
export const T_RBRACE = 48;
export const T_DOLLAR_BRACE = 49;
export const T_PIPE_INTO = 50; // |>
export const T_PIPE_FROM = 51; // <|
export const T_INVALID = 52;

/** How C++ Nix's messages name each kind, by index. */
export const TOKEN_NAMES: readonly string[] = [
  "end of file", "identifier", "integer", "floating-point literal", "'\"'", "start of an indented string", "path", "'<…>' path", "URI", "'if'", "'then'", "'else'", "'assert'", "'with'", "'let'",
  "'in'", "'rec'", "'inherit'", "'or'", "'...'", "'=='", "'!='", "'<='", "'>='", "'<'", "'>'", "'&&'", "'||'", "'->'", "'//'", "'++'", "'+'",
  "'-'", "'*'", "'/'", "'!'", "'='", "';'", "':'", "','", "'.'", "'@'", "'?'", "'('", "')'", "'['", "']'", "'{'", "'}'", "'${'", "'|>'", "'<|'",
  "invalid token",
]; // biome-ignore format: a table

/** What an attribute name may begin with, in the words of messages. */
export const ATTR_NAME_TOKENS = "identifier or 'or' or '${' or '\"'";

export const KEYWORDS: ReadonlyMap<string, number> = new Map([
  ["if", T_IF],
  ["then", T_THEN],
  ["else", T_ELSE],
  ["assert", T_ASSERT],
  ["with", T_WITH],
  ["let", T_LET],
  ["in", T_IN],
  ["rec", T_REC],
  ["inherit", T_INHERIT],
  ["or", T_OR],
]);
