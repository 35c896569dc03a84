/* ledger SCRIPT: a Lua script books amounts to accounts (`book(account, amount)`), SQLite keeps them, and what is printed, the sum of each
   account, went through zlib and back on its way. */

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static void fail(const char *what, const char *why) {
  fprintf(stderr, "ledger: %s: %s\n", what, why);
  exit(1);
}

static int book(lua_State *lua) {
  sqlite3 *db = lua_touserdata(lua, lua_upvalueindex(1));
  sqlite3_stmt *insert;
  if (sqlite3_prepare_v2(db, "insert into entry values (?, ?)", -1, &insert, NULL) != SQLITE_OK) fail("insert", sqlite3_errmsg(db));
  sqlite3_bind_text(insert, 1, luaL_checkstring(lua, 1), -1, SQLITE_TRANSIENT);
  sqlite3_bind_int64(insert, 2, luaL_checkinteger(lua, 2));
  if (sqlite3_step(insert) != SQLITE_DONE) fail("insert", sqlite3_errmsg(db));
  sqlite3_finalize(insert);
  return 0;
}

/* Compresses and expands; the caller frees the result. */
static char *there_and_back(const char *text) {
  uLong length = strlen(text) + 1;
  uLongf packed_length = compressBound(length);
  Bytef *packed = malloc(packed_length);
  char *unpacked = malloc(length);
  if (compress(packed, &packed_length, (const Bytef *)text, length) != Z_OK) fail("compress", text);
  if (uncompress((Bytef *)unpacked, &length, packed, packed_length) != Z_OK) fail("uncompress", text);
  free(packed);
  return unpacked;
}

int main(int argc, char **argv) {
  sqlite3 *db;
  sqlite3_stmt *sums;
  if (argc != 2) fail("usage", "ledger SCRIPT");
  if (sqlite3_open(":memory:", &db) != SQLITE_OK) fail("open", sqlite3_errmsg(db));
  if (sqlite3_exec(db, "create table entry (account text, amount integer)", NULL, NULL, NULL) != SQLITE_OK) fail("create", sqlite3_errmsg(db));

  lua_State *lua = luaL_newstate();
  luaL_openlibs(lua);
  lua_pushlightuserdata(lua, db);
  lua_pushcclosure(lua, book, 1);
  lua_setglobal(lua, "book");
  if (luaL_dostring(lua, argv[1]) != LUA_OK) fail("script", lua_tostring(lua, -1));
  lua_close(lua);

  sqlite3_prepare_v2(db, "select account || ' ' || sum(amount) from entry group by account order by account", -1, &sums, NULL);
  while (sqlite3_step(sums) == SQLITE_ROW) {
    char *line = there_and_back((const char *)sqlite3_column_text(sums, 0));
    puts(line);
    free(line);
  }
  sqlite3_finalize(sums);
  sqlite3_close(db);
  return 0;
}
