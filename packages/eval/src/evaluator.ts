/*
The evaluator: globals, sources and imports around the machine. One evaluator is one world: its `EvalIo`, its settings, its cache of imported
files. Builtins that need stores come in from outside.

`run` is the only way in: it sets the machine up and turns what may come out into EvalErrors.
*/

import type { ByteString } from "@firn/base";
import { type Diagnostic, type Expr, parse } from "@firn/syntax";
import { Attrs } from "./attrs.ts";
import { BITS_BUILTINS } from "./builtins/bits.ts";
import { CONTEXT_BUILTINS } from "./builtins/contexts.ts";
import { CONTROL_BUILTINS } from "./builtins/control.ts";
import { type BuiltinDefinition, globalBuiltin } from "./builtins/definition.ts";
import { FILE_BUILTINS } from "./builtins/files.ts";
import { JSON_BUILTINS } from "./builtins/json.ts";
import { LIST_BUILTINS } from "./builtins/lists.ts";
import { REGEX_BUILTINS } from "./builtins/regex.ts";
import { SET_BUILTINS } from "./builtins/sets.ts";
import { STRING_BUILTINS } from "./builtins/strings.ts";
import { TOML_BUILTINS } from "./builtins/toml.ts";
import { TYPE_BUILTINS } from "./builtins/types.ts";
import { VERSION_BUILTINS } from "./builtins/versions.ts";
import { XML_BUILTINS } from "./builtins/xml.ts";
import { forceAttrs } from "./coerce.ts";
import { codeKey, type CodeStore, compilerFingerprint, openSealedCode, sealCode } from "./code-cache.ts";
import type { CodePlace } from "./code-place.ts";
import { decodeCode } from "./code-reader.ts";
import { encodeCode } from "./code-writer.ts";
import { compile } from "./compiler.ts";
import { EvalError } from "./error.ts";
import type { Instruction } from "./instruction.ts";
import { intern } from "./intern.ts";
import type { EvalIo } from "./io.ts";
import type { LanguageOptions } from "./language-options.ts";
import { type CancelWord, call1, enterEvaluation, force, lazily } from "./machine.ts";
import type { Observer } from "./observer.ts";
import { installObserver, observedBuiltin } from "./observing.ts";
import { parentPath } from "./path.ts";
import { coerceToPath, followLinks, followLinksTo } from "./path-value.ts";
import { type Origin, Positions } from "./positions.ts";
import { Scope } from "./scope.ts";
import { Shape } from "./shape.ts";
import { Builtin, Closure, type Env, type Lazy, PathValue, type SourceTree, type Value } from "./value.ts";

/** The version of C++ Nix whose language this is. */
export const NIX_VERSION = "2.35.2";
const LANG_VERSION = 6;

/** One entry of NIX_PATH or -I: `prefix=path`, or a bare path with prefix "". */
export type SearchPathEntry = { readonly prefix: ByteString; readonly path: ByteString };

export type EvaluatorOptions = {
  readonly io: EvalIo;
  /** Builtins beside the pure ones: `derivationStrict`, `path`, …. They may replace one of the same name. */
  readonly builtins?: readonly BuiltinDefinition[];
  readonly searchPath?: readonly SearchPathEntry[];
  /** `builtins.currentSystem`; absent in pure evaluation. */
  readonly currentSystem?: string;
  /** `builtins.currentTime` in seconds; absent in pure evaluation. */
  readonly currentTime?: number;
  /** For `~/…`. */
  readonly homeDirectory?: ByteString;
  readonly callDepthMax?: number;
  readonly cancelWord?: CancelWord;
  readonly language?: LanguageOptions;
  /** Told of what happens; see observer.ts. */
  readonly observer?: Observer;
  /** Keeps compiled code; without it every file is compiled. */
  readonly codeStore?: CodeStore;
};

const CALL_DEPTH_MAX = 10_000;

export class Evaluator {
  readonly io: EvalIo;
  readonly positions = new Positions();
  /** The value of `builtins`. */
  readonly builtins: Attrs;
  readonly #options: EvaluatorOptions;
  readonly #globals: Map<string, Lazy>;
  #fingerprint: string | undefined;
  #warnings = 0;
  readonly #imports = new Map<SourceTree, Map<ByteString, Value>>();

  constructor(options: EvaluatorOptions) {
    this.#options = options;
    this.io = options.io;
    const definitions = new Map<string, BuiltinDefinition>();
    for (const definition of [...this.#ownBuiltins(), ...(options.builtins ?? [])])
      definitions.set(definition.name, definition);
    const values = new Map<string, Lazy>();
    this.#globals = new Map<string, Lazy>();
    const { observer } = options;
    for (const { name, value: plain, global } of definitions.values()) {
      const value = observer !== undefined && plain instanceof Builtin ? observedBuiltin(plain, observer) : plain;
      values.set(name, value);
      this.#globals.set(global ? name : `__${name}`, value);
    }
    values.set(
      "builtins",
      lazily(() => this.builtins),
    );
    this.builtins = Attrs.fromMap(values);
    this.#globals.set("builtins", this.builtins);
  }

  #ownBuiltins(): BuiltinDefinition[] {
    const { io, currentSystem, currentTime, searchPath = [] } = this.#options;
    const constant = (name: string, value: Value, global = false): BuiltinDefinition => ({ name, value, global });
    const own = [
      ...TYPE_BUILTINS,
      ...LIST_BUILTINS,
      ...SET_BUILTINS,
      ...CONTROL_BUILTINS,
      ...FILE_BUILTINS,
      ...STRING_BUILTINS,
      ...CONTEXT_BUILTINS,
      ...VERSION_BUILTINS,
      ...REGEX_BUILTINS,
      ...JSON_BUILTINS,
      ...TOML_BUILTINS,
      ...XML_BUILTINS,
      ...BITS_BUILTINS,
      globalBuiltin("import", (path: Lazy) => {
        const at = coerceToPath(path);
        return io.derivationAt(at) ?? this.importPath(at);
      }),
      globalBuiltin("scopedImport", (scope: Lazy, path: Lazy) =>
        this.#scopedImport(forceAttrs(scope), coerceToPath(path)),
      ),
      constant("true", true, true),
      constant("false", false, true),
      constant("null", null, true),
      constant("nixVersion", NIX_VERSION),
      constant("langVersion", LANG_VERSION),
      constant("storeDir", io.storeDir),
      constant("nixPath", searchPath.map(searchPathEntry)),
    ];
    if (currentSystem !== undefined) own.push(constant("currentSystem", currentSystem));
    if (currentTime !== undefined) own.push(constant("currentTime", currentTime));
    return own;
  }

  /** Runs `work` on the machine. Throws EvalError for everything a program can cause; must not be nested. */
  run<T>(work: () => T): T {
    const { cancelWord, callDepthMax = CALL_DEPTH_MAX, language, observer } = this.#options;
    const uninstall = observer && installObserver(observer);
    enterEvaluation(
      this.io,
      this.positions,
      cancelWord === undefined ? { callDepthMax } : { callDepthMax, cancelWord },
      language,
    );
    try {
      return work();
    } catch (thrown) {
      if (thrown instanceof RangeError && /call stack/i.test(thrown.message)) {
        throw new EvalError("stack-overflow", "stack overflow (possible infinite recursion)", 0);
      }
      throw thrown;
    } finally {
      uninstall?.();
    }
  }

  /** The value of an expression given as text; relative paths are relative to `baseDirectory`. Within `run`. */
  evaluate(source: ByteString, baseDirectory: PathValue, label = "«string»"): Value {
    const origin = this.positions.add(label, undefined, source.length, () => source);
    const code = this.#compile(this.#parse(source, origin.base, label), origin, baseDirectory, null);
    return code.ev(code, TOP);
  }

  /** The tree of a source that passes every static check. Within `run`. */
  parse(source: ByteString, baseDirectory: PathValue, label = "«string»"): Expr {
    const origin = this.positions.add(label, undefined, source.length, () => source);
    const tree = this.#parse(source, origin.base, label);
    this.#compile(tree, origin, baseDirectory, null);
    return tree;
  }

  /** The code of an expression, and the position of its first byte. Within `run`. */
  compile(source: ByteString, baseDirectory: PathValue, label = "«string»"): { root: Instruction; base: number } {
    const origin = this.positions.add(label, undefined, source.length, () => source);
    const root = this.#compile(this.#parse(source, origin.base, label), origin, baseDirectory, null);
    return { root, base: origin.base };
  }

  /** The value of a file, evaluated at most once; a directory stands for its default.nix. Within `run`. */
  importPath(path: PathValue): Value {
    const file = this.#fileOf(path);
    let cache = this.#imports.get(file.tree);
    if (cache === undefined) this.#imports.set(file.tree, (cache = new Map()));
    const known = cache.get(file.path);
    if (known !== undefined) return known;
    const code = this.#compileFile(file, null);
    const value = code.ev(code, TOP);
    cache.set(file.path, value);
    return value;
  }

  #scopedImport(scope: Attrs, path: PathValue): Value {
    const names = scope.names;
    const slots = new Map<string, number>();
    for (let i = 0; i < names.length; i++) slots.set(names[i], i + 1);
    const code = this.#compileFile(this.#fileOf(path), new Scope(null, slots));
    const env: Env = [null, ...scope.flat().values];
    return code.ev(code, env);
  }

  #fileOf(path: PathValue): PathValue {
    const { path: at, kind } = followLinksTo(path);
    if (kind !== "directory") return at;
    return followLinks(new PathValue(at.tree, at.path === "/" ? "/default.nix" : `${at.path}/default.nix`));
  }

  #compileFile(file: PathValue, scope: Scope | null): Instruction {
    const source = this.io.readFile(file);
    const label = file.tree.label + file.path;
    const origin = this.positions.add(label, label, source.length, () => this.io.readFile(file));
    const baseDirectory = new PathValue(file.tree, parentPath(file.path));
    const compileIt = () => this.#compile(this.#parse(source, origin.base, label), origin, baseDirectory, scope);
    const { codeStore } = this.#options;
    const { pipeOperators = false, lints = {} } = this.#options.language ?? {};
    // Code for a scope of its own is rare; it is not kept.
    if (codeStore === undefined || scope !== null) return compileIt();
    this.#fingerprint ??= compilerFingerprint(this.#globals.keys());
    const key = codeKey(this.#fingerprint, JSON.stringify([pipeOperators, lints]), source);
    const sealed = codeStore.load(key);
    const kept = sealed && openSealedCode(key, sealed);
    if (kept !== undefined) {
      this.#options.observer?.compiled?.({ label, bytes: source.length, cached: true });
      return decodeCode(kept, this.#place(origin, baseDirectory));
    }
    const warnings = this.#warnings;
    const code = compileIt();
    // What has a warning is compiled again, so that it is warned about again.
    if (this.#warnings === warnings) codeStore.save(key, sealCode(key, encodeCode(code, origin.base)));
    return code;
  }

  #parse(source: ByteString, base: number, label: string): Expr {
    const { pipeOperators = false, lints = {} } = this.#options.language ?? {};
    this.#options.observer?.compiled?.({ label, bytes: source.length, cached: false });
    const { tree, diagnostics, warnings } = parse(source, { label, pipeOperators, lints });
    for (const warning of warnings) this.#warn(warning, base);
    if (diagnostics.length > 0) throw syntaxError(diagnostics[0], base);
    return tree;
  }

  #warn({ code, message, from }: Diagnostic, base: number): void {
    this.#warnings++;
    // A deprecation names its place itself.
    const place = code === "lint" ? this.positions.placeLines(base + from).replaceAll("\n", "\n         ") : "";
    this.io.log("warning", message + place, { code, summary: message, pos: base + from });
  }

  #compile(tree: Expr, origin: Origin, baseDirectory: PathValue, scope: Scope | null): Instruction {
    return compile(tree, this.#place(origin, baseDirectory), scope);
  }

  #place(origin: Origin, baseDirectory: PathValue): CodePlace {
    const { homeDirectory } = this.#options;
    return { origin, baseDirectory, rootTree: this.io.rootTree, homeDirectory, globals: this.#globals };
  }

  /** A function with formals applied to the arguments it names, as the commands do with `--arg`; anything else as it is. Within `run`. */
  autoCall(value: Value, args: Attrs): Value {
    if (value instanceof Attrs && value.has("__functor")) {
      return this.autoCall(call1(force(value.get("__functor") as Lazy), value, 0), args);
    }
    if (!(value instanceof Closure) || value.code.formals === null) return value;
    const { formals, ellipsis } = value.code;
    if (ellipsis) return call1(value, args, 0);
    const wanted = new Set(formals.map((formal) => formal.name));
    const given = new Map<string, Lazy>();
    args.flat().shape.names.forEach((name, i) => {
      if (wanted.has(name)) given.set(name, args.values[i]);
    });
    for (const formal of formals) {
      if (formal.fallback === null && !given.has(formal.name)) {
        throw new EvalError(
          "missing-argument",
          `cannot evaluate a function that has an argument without a value ('${formal.name}')\nNix attempted to evaluate a function as a top level expression; in\nthis case it must have its arguments supplied either by default\nvalues, or passed explicitly with '--arg' or '--argstr'.`,
          formal.pos,
        );
      }
    }
    return call1(value, Attrs.fromMap(given), 0);
  }
}

const TOP: Env = [null];

const SEARCH_PATH_ENTRY = new Shape(["path", "prefix"].map(intern), null);

function searchPathEntry({ prefix, path }: SearchPathEntry): Attrs {
  return new Attrs(SEARCH_PATH_ENTRY, [path, prefix]);
}

function syntaxError(diagnostic: Diagnostic, base: number): EvalError {
  return new EvalError("syntax", diagnostic.message, base + diagnostic.from, diagnostic);
}
