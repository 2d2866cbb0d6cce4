/**
 * A docking pose as an item: the chosen chains of a structure in compact, canonical bytes.
 *
 * Owns: the layout (below). Invariant: equal coordinates, names and roles mean equal bytes, whatever
 * the file format, its other chains, the pose's name and where it stood; every number comes back as
 * it was. Deliberately not here: reading files (formats/) and what a pose means (science/).
 *
 *     header size u32 | header JSON | residues: name u16, number i32, insertion u16, hetero u8,
 *     atoms u16 (a column each) | x, y, z (i32 thousandths or float64) | atom kind u16 | altLoc u8
 */
import { z } from "zod";
import { RaysidueError } from "../base/errors.ts";
import { ColumnReader, filled, joinColumns, picked } from "../formats/columns.ts";
import {
  ATOMS_MAX,
  type Structure,
  type StructureChain,
  type StructureResidue,
} from "../formats/structure/structure.ts";
import { type ChainChoice, chooseChains } from "../science/chains.ts";

/** PDB files have three decimals: so coordinates fit 32 bits. Others stay float64. */
const SCALE = 1000;
const INT32_MAX = 2 ** 31 - 1;
const UINT16_MAX = 0xffff;
const HEADER_BYTES_MAX = 4 << 20;

const count = z.number().int().min(0).max(ATOMS_MAX);
const HEADER = z.strictObject({
  heavy: z.string(),
  light: z.string().nullable(),
  antigen: z.array(z.string()).min(1),
  /** Id and residues of each chain, in the order of the roles. */
  chains: z.array(z.tuple([z.string(), count])),
  atomCount: count,
  isScaled: z.boolean(),
  residueNames: z.array(z.string()),
  insertions: z.array(z.string()),
  /** Name and element of each kind of atom. */
  atomKinds: z.array(z.tuple([z.string(), z.string()])),
});

export interface Pose {
  /** Without a name or a place of its own: see `NAMELESS`. */
  readonly structure: Structure;
  readonly choice: ChainChoice;
}

/** What a decoded pose is called in messages; who shows them knows its file and line. */
export const NAMELESS = { name: "the pose", source: "pose", line: 0 } as const;

/** Numbers the distinct values of a column in order of appearance. */
class Dictionary<T> {
  readonly values: T[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf(key: string, value: T): number {
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.values.push(value) - 1;
      this.#numbers.set(key, number);
      if (number > UINT16_MAX) throw bad(`more than ${UINT16_MAX} different names`);
    }
    return number;
  }
}

const bad = (text: string) => new RaysidueError("bad-input", `a pose with ${text}`);

/** The item of a pose. Throws RaysidueError where a chain is missing or the pose is empty. */
export function encodePose(structure: Structure, choice: ChainChoice): Uint8Array {
  const { heavy, light, antigen } = chooseChains(structure, choice);
  const chains = [heavy, ...(light === undefined ? [] : [light]), ...antigen];
  const residues = chains.flatMap((chain) =>
    structure.residues.slice(chain.residueStart, chain.residueEnd),
  );
  const atoms = atomsOf(residues);
  const [names, insertions] = [new Dictionary<string>(), new Dictionary<string>()];
  const kinds = new Dictionary<[string, string]>();
  const { atomNames, elements, altLocs } = structure;
  const axes = [structure.x, structure.y, structure.z].map((axis) => picked(axis, atoms));
  const isScaled = axes.every((axis) => axis.every(fitsScale));
  const [residueCount, atomCount] = [residues.length, atoms.length];
  const columns = [
    filled(new Uint16Array(residueCount), (r) => {
      const { name } = residues[r]!;
      return names.numberOf(name, name);
    }),
    filled(new Int32Array(residueCount), (r) => residues[r]!.number),
    filled(new Uint16Array(residueCount), (r) => {
      const { insertion } = residues[r]!;
      return insertions.numberOf(insertion, insertion);
    }),
    filled(new Uint8Array(residueCount), (r) => (residues[r]!.isHetero ? 1 : 0)),
    filled(new Uint16Array(residueCount), (r) => checkedSize(residues[r]!)),
    ...axes.map((axis) =>
      isScaled ? filled(new Int32Array(atomCount), (i) => Math.round(axis[i]! * SCALE)) : axis,
    ),
    filled(new Uint16Array(atomCount), (i) => {
      const [name, element] = [atomNames[atoms[i]!]!, elements[atoms[i]!]!];
      return kinds.numberOf(`${name}\n${element}`, [name, element]);
    }),
    picked(altLocs, atoms),
  ];
  const header: z.infer<typeof HEADER> = {
    heavy: choice.heavy,
    light: choice.light ?? null,
    antigen: [...choice.antigen],
    chains: chains.map(({ id, residueStart, residueEnd }) => [id, residueEnd - residueStart]),
    atomCount,
    isScaled,
    residueNames: names.values,
    insertions: insertions.values,
    atomKinds: kinds.values,
  };
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(4);
  size.writeUInt32LE(text.length);
  return joinColumns([size, text, ...columns]);
}

function fitsScale(value: number): boolean {
  const scaled = Math.round(value * SCALE);
  // Minus zero is not kept by an integer.
  return Math.abs(scaled) <= INT32_MAX && Object.is(scaled / SCALE, value);
}

/** Indices of the atoms of residues, one after the other. */
function atomsOf(residues: readonly StructureResidue[]): Int32Array {
  const atomCount = residues.reduce((sum, { atomStart, atomEnd }) => sum + atomEnd - atomStart, 0);
  const atoms = new Int32Array(atomCount);
  let at = 0;
  for (const { atomStart, atomEnd } of residues) {
    for (let atom = atomStart; atom < atomEnd; atom++) atoms[at++] = atom;
  }
  return atoms;
}

function checkedSize({ atomStart, atomEnd }: StructureResidue): number {
  const atomCount = atomEnd - atomStart;
  if (atomCount > UINT16_MAX) throw bad(`${atomCount} atoms in one residue`);
  return atomCount;
}

/** Reads what `encodePose` wrote. Throws RaysidueError "bad-input" for anything else. */
export function decodePose(item: Uint8Array): Pose {
  const reader = new ColumnReader(item, () => broken());
  const header = readHeader(reader);
  const residueCount = header.chains.reduce((sum, [, residues]) => sum + residues, 0);
  const names = reader.take(Uint16Array, residueCount);
  const numbers = reader.take(Int32Array, residueCount);
  const insertions = reader.take(Uint16Array, residueCount);
  const heteros = reader.take(Uint8Array, residueCount);
  const sizes = reader.take(Uint16Array, residueCount);
  const [x, y, z] = [0, 1, 2].map(() => {
    if (!header.isScaled) return reader.take(Float64Array, header.atomCount);
    const scaled = reader.take(Int32Array, header.atomCount);
    return filled(new Float64Array(header.atomCount), (i) => scaled[i]! / SCALE);
  });
  const kinds = reader.take(Uint16Array, header.atomCount);
  const altLocs = reader.take(Uint8Array, header.atomCount);
  reader.end();
  let atomEnd = 0;
  const residues = Array.from(names, (name, r): StructureResidue => {
    const atomStart = atomEnd;
    atomEnd += sizes[r]!;
    return {
      name: entry(header.residueNames, name),
      number: numbers[r]!,
      insertion: entry(header.insertions, insertions[r]!),
      isHetero: heteros[r] === 1,
      atomStart,
      atomEnd,
    };
  });
  if (atomEnd !== header.atomCount) throw broken();
  let residueEnd = 0;
  const chains = header.chains.map(([id, size]): StructureChain => {
    const residueStart = residueEnd;
    residueEnd += size;
    return { id, residueStart, residueEnd };
  });
  const structure: Structure = {
    ...NAMELESS,
    modelNumber: 1,
    atomCount: header.atomCount,
    x: x!,
    y: y!,
    z: z!,
    atomNames: Array.from(kinds, (kind) => entry(header.atomKinds, kind)[0]),
    elements: Array.from(kinds, (kind) => entry(header.atomKinds, kind)[1]),
    altLocs,
    residues,
    chains,
  };
  const { heavy, light, antigen } = header;
  return { structure, choice: { heavy, antigen, ...(light !== null && { light }) } };
}

function readHeader(reader: ColumnReader): z.infer<typeof HEADER> {
  const [size] = reader.take(Uint32Array, 1);
  if (size! > HEADER_BYTES_MAX) throw broken();
  const text = Buffer.from(reader.take(Uint8Array, size!)).toString();
  try {
    return HEADER.parse(JSON.parse(text));
  } catch (thrown) {
    throw broken(thrown);
  }
}

function entry<T>(values: readonly T[], at: number): T {
  const value = values[at];
  if (value === undefined) throw broken();
  return value;
}

function broken(cause?: unknown): RaysidueError {
  const said = "an item is no pose; do driver and worker have one version?";
  return new RaysidueError("bad-input", said, { cause });
}
