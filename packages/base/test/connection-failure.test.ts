/* Failures of connections in words: what is known is said, with what the system said of it, and what is not is passed on. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { connectionFailure } from "@firn/base";

const coded = (code: string, message: string) => Object.assign(new Error(message), { code });

const CASES: readonly [thrown: unknown, words: string][] = [
  [coded("ECONNREFUSED", "connect ECONNREFUSED ::1:1"), "nothing listens there (connect ECONNREFUSED ::1:1)"],
  [
    new AggregateError([coded("ECONNREFUSED", "connect to ::1"), coded("ETIMEDOUT", "connect to 127.0.0.1")]),
    "nothing listens there (connect to ::1)",
  ],
  [
    coded("ECONNRESET", "Client network socket disconnected before secure TLS connection was established"),
    "what listens there does not speak TLS (Client network socket disconnected before secure TLS connection was established)",
  ],
  [coded("ERR_HTTP2_ERROR", "Protocol error"), "what listens there speaks something else (Protocol error)"],
  [coded("DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate"), "self-signed certificate"],
  [coded("constructor", "odd"), "odd"],
  ["a text", "a text"],
  [undefined, "undefined"],
];

for (const [thrown, words] of CASES)
  test(`a failure of a connection is told as: ${words}`, () => assert.equal(connectionFailure(thrown), words));
