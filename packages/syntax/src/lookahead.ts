/*
Decisions the grammar takes on what comes next.
*/

import * as t from "./token.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Whether the `{` here opens formals: decided by at most the three tokens behind it, as the grammar has it. */
export function looksLikeFormals(tok: Tokenizer): boolean {
  const from = tok.from;
  const step = () => {
    tok.next();
    return tok.kind;
  };
  const closes = () => {
    const kind = step();
    return kind === t.T_COLON || kind === t.T_AT;
  };
  let kind = step();
  let formals = kind === t.T_ELLIPSIS || (kind === t.T_RBRACE && closes());
  if (kind === t.T_ID) {
    kind = step();
    formals = kind === t.T_COMMA || kind === t.T_QUESTION || (kind === t.T_RBRACE && closes());
  }
  tok.seek(from);
  return formals;
}

/** Whether a token can start an operand of an application or a list item. */
export function startsOperand(kind: number): boolean {
  switch (kind) {
    case t.T_ID:
    case t.T_INT:
    case t.T_FLOAT:
    case t.T_STRING:
    case t.T_IND_STRING:
    case t.T_PATH:
    case t.T_SEARCH_PATH:
    case t.T_URI:
    case t.T_LPAREN:
    case t.T_REC:
    case t.T_LET:
    case t.T_LBRACE:
    case t.T_LBRACKET:
      return true;
    default:
      return false;
  }
}
