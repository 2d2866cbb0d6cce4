/**
 * Lines of PDB text to models, one at a time.
 *
 * Owns: where a model begins and ends and what it is called. Invariant: each MODEL, or the whole
 * text where there is none, is reported once, as a structure or as its first fault; a fault ends
 * its model, not the file. Only one model is held in memory.
 */
import { RaysidueError } from "../../base/errors.ts";
import { parsePdbAtom } from "./pdb-record.ts";
import type { StructureRecord } from "./structure.ts";
import { StructureBuilder } from "./structure-builder.ts";

export interface PdbNaming {
  readonly source: string;
  /** The name of a single model, and the beginning of those of several. */
  readonly name: string;
}

interface OpenModel {
  readonly builder: StructureBuilder;
  readonly line: number;
  readonly modelNumber: number;
  readonly isExplicit: boolean;
  error: RaysidueError | undefined;
}

/** Names from REMARK lines kept: more models than that in one file have numbers for names. */
const REMARK_NAMES_MAX = 1_000_000;
const REMARK_MODEL = /^REMARK\s+(?:\d+\s+)?MODEL\s+(\d+)\s+FROM\s+(\S+)/;

export class PdbModels {
  readonly #naming: PdbNaming;
  readonly #remarkNames = new Map<number, string>();
  #model: OpenModel | undefined;
  #modelCount = 0;
  #hasEnded = false;

  constructor(naming: PdbNaming) {
    this.#naming = naming;
  }

  /** Takes the next line; returns the model that it ends, if any. */
  push(text: string, line: number): StructureRecord | undefined {
    if (text.startsWith("ATOM  ") || text.startsWith("HETATM")) return this.#onAtom(text, line);
    if (text.startsWith("MODEL") && /^MODEL(\s|$)/.test(text)) return this.#onModel(text, line);
    if (text.startsWith("ENDMDL")) return this.#onEndModel(line);
    if (text.startsWith("REMARK")) this.#onRemark(text);
    else if (/^END\s*$/.test(text)) this.#hasEnded = this.#model?.isExplicit !== true;
    else if (/^(ATOM|HETA)/.test(text)) return this.#onAtom(text, line);
    return undefined;
  }

  /** The last model, if it is still open. `line` is the last line of the text. */
  end(line: number): StructureRecord | undefined {
    const model = this.#model;
    if (model?.isExplicit && model.error === undefined) {
      const text = `model ${model.modelNumber} has no ENDMDL; the file is cut short`;
      model.error = this.#error(line, text);
    }
    if (model === undefined && this.#modelCount === 0) {
      const error = this.#error(Math.max(line, 1), "no ATOM record; is this a PDB file?");
      return this.#fault(this.#naming.name, Math.max(line, 1), error);
    }
    return this.#close();
  }

  #onAtom(text: string, line: number): StructureRecord | undefined {
    let model = this.#model;
    if (model === undefined) {
      if (this.#modelCount > 0) {
        this.#modelCount++;
        const error = this.#error(line, "atoms outside of any MODEL");
        this.#model = { ...this.#openModel(line, this.#modelCount, true), error };
        return undefined;
      }
      this.#modelCount = 1;
      model = this.#openModel(line, 1, false);
      this.#model = model;
    }
    if (model.error !== undefined) return undefined;
    if (this.#hasEnded) {
      model.error = this.#error(line, "atoms after END; are these several files in one?");
      return undefined;
    }
    const atom = /^(ATOM {2}|HETATM)/.test(text)
      ? parsePdbAtom(text)
      : `${JSON.stringify(text.slice(0, 6))} begins no record of a PDB file; the file is damaged`;
    if (typeof atom === "string") model.error = this.#error(line, atom);
    else {
      try {
        model.builder.add(atom, line);
      } catch (thrown) {
        if (!(thrown instanceof RaysidueError)) throw thrown;
        model.error = thrown;
      }
    }
    return undefined;
  }

  #onModel(text: string, line: number): StructureRecord | undefined {
    const open = this.#model;
    if (open !== undefined && open.error === undefined) {
      const what = open.isExplicit ? `MODEL within model ${open.modelNumber}` : "MODEL after atoms";
      open.error = this.#error(line, `${what}; ENDMDL is missing`);
    }
    const closed = this.#close();
    this.#modelCount++;
    const number = /^MODEL\s+(\d{1,9})\s*$/.exec(text);
    const model = this.#openModel(line, number ? Number(number[1]) : this.#modelCount, true);
    if (number === null) {
      model.error = this.#error(line, `model number ${JSON.stringify(text.slice(5, 20))} is wrong`);
    }
    this.#model = model;
    return closed;
  }

  #onEndModel(line: number): StructureRecord | undefined {
    const model = this.#model;
    if (model === undefined || !model.isExplicit) return undefined;
    if (model.builder.atomCount === 0 && model.error === undefined) {
      model.error = this.#error(line, `model ${model.modelNumber} has no atoms`);
    }
    return this.#close();
  }

  #onRemark(text: string): void {
    const match = REMARK_MODEL.exec(text);
    if (match === null || this.#remarkNames.size >= REMARK_NAMES_MAX) return;
    const path = Buffer.from(match[2]!, "latin1").toString("utf8");
    const name = path.slice(path.lastIndexOf("/") + 1).replace(/\.pdb$/i, "");
    if (name !== "") this.#remarkNames.set(Number(match[1]), name);
  }

  #openModel(line: number, modelNumber: number, isExplicit: boolean): OpenModel {
    const builder = new StructureBuilder(this.#naming.source);
    return { builder, line, modelNumber, isExplicit, error: undefined };
  }

  #close(): StructureRecord | undefined {
    const model = this.#model;
    if (model === undefined) return undefined;
    this.#model = undefined;
    const { line, modelNumber } = model;
    const remark = this.#remarkNames.get(modelNumber);
    const numbered = `${this.#naming.name}_model_${modelNumber}`;
    const name = model.isExplicit ? (remark ?? numbered) : this.#naming.name;
    if (model.error !== undefined) return this.#fault(name, line, model.error);
    const structure = model.builder.finish({ name, line, modelNumber });
    return { kind: "structure", structure };
  }

  #fault(name: string, line: number, error: RaysidueError): StructureRecord {
    return { kind: "fault", fault: { name, source: this.#naming.source, line, error } };
  }

  #error(line: number, text: string): RaysidueError {
    return new RaysidueError("bad-input", `${this.#naming.source}:${line}: ${text}`);
  }
}
