/**
 * What a pickle holds that JavaScript has no value for.
 *
 * Written (pickle-writer.ts) as what they say; read (pickle-reader.ts) as inert records: nothing is
 * ever imported or called here.
 */

/** A name in a Python module, as in `builtins` `exec`; dots reach into it. */
export class PyGlobal {
  readonly module: string;
  readonly name: string;

  constructor(module: string, name: string) {
    this.module = module;
    this.name = name;
  }

  get path(): string {
    return `${this.module}.${this.name}`;
  }
}

/** `callable(*args)`, and the state given to the result. */
export class PyCall {
  readonly callable: unknown;
  readonly args: unknown;
  state: unknown;

  constructor(callable: unknown, args: unknown) {
    this.callable = callable;
    this.args = args;
  }
}

/** A float even where its value is whole. */
export class PyFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

export class PyTuple {
  readonly items: readonly unknown[];

  constructor(items: readonly unknown[]) {
    this.items = items;
  }
}

/** A name defined by Python source text, which the receiving Python compiles: no version coupling. */
export class PySource {
  readonly source: string;
  /** What the definitions say their module is; it must not be importable. */
  readonly moduleName: string;
  readonly name: string;

  constructor(source: string, moduleName: string, name: string) {
    this.source = source;
    this.moduleName = moduleName;
    this.name = name;
  }
}

/** An id that the pickle's owner gives a meaning, by number or by record. */
export class PyPersistent {
  readonly id: unknown;

  constructor(id: unknown) {
    this.id = id;
  }
}
