import assert from "node:assert/strict";
import { test } from "node:test";
import { StringContext, uniteContexts } from "../src/context.ts";

const of = (...elements: string[]) => StringContext.of(elements);

test("equal contexts are one object, in whatever order and however they were made", () => {
  assert.equal(of("/b", "/a", "/b"), of("/a", "/b"));
  assert.equal(uniteContexts(of("/a"), of("/b")), of("/b", "/a"));
  assert.equal(uniteContexts(of("/a"), of("/b")), uniteContexts(of("/b"), of("/a")));
});

test("nothing is no context", () => {
  assert.equal(of(), undefined);
  assert.equal(uniteContexts(undefined, undefined), undefined);
  assert.equal(uniteContexts(of("/a"), undefined), of("/a"));
  assert.equal(uniteContexts(undefined, of("/a")), of("/a"));
});
