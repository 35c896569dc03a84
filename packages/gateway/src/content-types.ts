/*
What files on the web are, by the ends of their names. A table and no more: what a file holds is not looked at, and browsers are told not to either.
*/

const TEXT = "; charset=utf-8";

const TYPES: Readonly<Record<string, string>> = {
  avif: "image/avif",
  css: `text/css${TEXT}`,
  csv: `text/csv${TEXT}`,
  gif: "image/gif",
  gz: "application/gzip",
  htm: `text/html${TEXT}`,
  html: `text/html${TEXT}`,
  ico: "image/vnd.microsoft.icon",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  js: `text/javascript${TEXT}`,
  json: "application/json",
  jsonld: "application/ld+json",
  map: "application/json",
  md: `text/markdown${TEXT}`,
  mjs: `text/javascript${TEXT}`,
  mp3: "audio/mpeg",
  mp4: "video/mp4",
  ogg: "audio/ogg",
  otf: "font/otf",
  pdf: "application/pdf",
  png: "image/png",
  svg: "image/svg+xml",
  tar: "application/x-tar",
  toml: "application/toml",
  ttf: "font/ttf",
  txt: `text/plain${TEXT}`,
  wasm: "application/wasm",
  wav: "audio/wav",
  webm: "video/webm",
  webmanifest: "application/manifest+json",
  webp: "image/webp",
  woff: "font/woff",
  woff2: "font/woff2",
  xhtml: "application/xhtml+xml",
  xml: `text/xml${TEXT}`,
  zip: "application/zip",
  zst: "application/zstd",
};

/** The type of a file by its name; bytes when its end says nothing. */
export function contentTypeOf(name: string): string {
  const extension = name.slice(name.lastIndexOf(".") + 1).toLowerCase();
  return Object.hasOwn(TYPES, extension) ? TYPES[extension] : "application/octet-stream";
}
