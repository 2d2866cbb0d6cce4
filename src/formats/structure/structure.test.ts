import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { RaysidueError } from "../../base/errors.ts";
import { readMmcif } from "./mmcif.ts";
import { readPdb } from "./pdb.ts";
import { readQuiver } from "./quiver.ts";
import { ATOMS_MAX, type Structure, type StructureRecord } from "./structure.ts";

const DATA = new URL("../../../../test/data/deeprank/", import.meta.url);
const data = (name: string) => gunzipSync(readFileSync(new URL(name, DATA)));

type Reader = (bytes: AsyncIterable<Uint8Array>, source: string) => AsyncIterable<StructureRecord>;

/** Reads a text in pieces of `size` bytes, each overwritten once it was taken. */
async function read(
  reader: Reader,
  text: string | Buffer,
  options: { source?: string; size?: number } = {},
): Promise<StructureRecord[]> {
  const whole = Buffer.from(text);
  const { source = "in.pdb", size = 1 << 16 } = options;
  async function* pieces() {
    for (let at = 0; at < whole.length; at += size) {
      const piece = Uint8Array.from(whole.subarray(at, at + size));
      yield piece;
      piece.fill(0);
    }
  }
  const records: StructureRecord[] = [];
  for await (const record of reader(pieces(), source)) records.push(record);
  return records;
}

function structure(record: StructureRecord | undefined): Structure {
  assert.ok(record?.kind === "structure", JSON.stringify(record));
  return record.structure;
}

function fault(record: StructureRecord | undefined): string {
  assert.ok(record?.kind === "fault");
  const { error } = record.fault;
  assert.ok(error instanceof RaysidueError);
  assert.equal(error.code, "bad-input");
  assert.ok(!error.message.includes("\n"));
  return error.message;
}

interface Line {
  serial?: number;
  name?: string;
  alt?: string;
  residue?: string;
  chain?: string;
  number?: number;
  icode?: string;
  x?: string;
  element?: string;
  record?: string;
}

function atom(line: Line = {}): string {
  const name = line.name ?? "CA";
  return [
    (line.record ?? "ATOM").padEnd(6),
    String(line.serial ?? 1).padStart(5),
    " ",
    name.length > 3 ? name : ` ${name}`.padEnd(4),
    line.alt ?? " ",
    (line.residue ?? "ALA").padStart(3),
    " ",
    line.chain ?? "A",
    String(line.number ?? 1).padStart(4),
    line.icode ?? " ",
    "   ",
    (line.x ?? "1.000").padStart(8),
    "   2.000",
    "  -3.125",
    "  1.00  0.00          ",
    (line.element ?? name.charAt(0)).padStart(2),
  ].join("");
}

test("the columns of an atom line mean what the format says", async () => {
  const text = [
    "HEADER    whatever",
    atom({ name: "N", number: -3, icode: "B", x: "-12.345" }),
    atom({ name: "HD11", number: -3, icode: "B", element: "" }).trimEnd(),
    atom({ name: "CA", residue: "CA", record: "HETATM", number: 900, element: "CA" }),
    "TER",
    "END",
  ].join("\r\n");
  for (const size of [1, 7, 4096]) {
    const records = await read(readPdb, text, { source: "folder/a.b.pdb.gz", size });
    assert.equal(records.length, 1);
    const one = structure(records[0]);
    assert.equal(one.name, "a.b");
    assert.equal(one.line, 2);
    assert.deepEqual([...one.x], [-12.345, 1, 1]);
    assert.deepEqual([...one.z], [-3.125, -3.125, -3.125]);
    assert.deepEqual(one.atomNames, ["N", "HD11", "CA"]);
    assert.deepEqual(one.elements, ["N", "H", "CA"]);
    assert.deepEqual(
      one.residues.map((r) => [r.name, r.number, r.insertion, r.isHetero, r.atomEnd - r.atomStart]),
      [
        ["ALA", -3, "B", false, 2],
        ["CA", 900, "", true, 1],
      ],
    );
    assert.deepEqual(one.chains, [{ id: "A", residueStart: 0, residueEnd: 2 }]);
  }
});

test("interrupted residues and chains are brought together, alternate locations kept", async () => {
  const text = [
    atom({ name: "N", number: 1 }),
    atom({ chain: "B", number: 7 }),
    atom({ name: "CA", number: 1, alt: "A" }),
    atom({ name: "CA", number: 1, alt: "B", x: "4.000" }),
    atom({ name: "CA", number: 2, residue: "SER", alt: "A" }),
    atom({ name: "CA", number: 2, residue: "THR", alt: "B" }),
  ].join("\n");
  const one = structure((await read(readPdb, text))[0]);
  assert.deepEqual(
    one.chains.map(({ id }) => id),
    ["A", "B"],
  );
  assert.deepEqual(one.atomNames, ["N", "CA", "CA", "CA", "CA", "CA"]);
  assert.deepEqual([...one.altLocs], [0, 65, 66, 65, 66, 0]);
  assert.deepEqual(
    one.residues.map(({ name }) => name),
    ["ALA", "SER", "THR", "ALA"],
  );
});

test("each fault of a PDB file is said with its line", async () => {
  const good = atom();
  const cases: [string, RegExp][] = [
    [`${good}\n${atom({ name: "CB", x: "1.0x0" })}`, /^in\.pdb:2: x coordinate " {3}1\.0x0"/],
    [`${good}\n${atom({ name: "CB", x: "" })}`, /:2: x coordinate/],
    [`${good}\n${atom({ name: "CB", x: "1e3" })}`, /:2: x coordinate/],
    [`${good}\n${atom({ name: "CB", x: "nan" })}`, /:2: x coordinate/],
    [`${good}\n${good.slice(0, 50)}`, /:2: the line ends at column 50.*cut short/],
    [`${good}\n${good}`, /:2: atom CA of residue ALA A1 is given twice/],
    [`${good}\n${atom({ residue: "GLY" })}`, /:2: residue GLY A1 has the number of ALA/],
    [`${good}\n${good.slice(0, 22)}  1x${good.slice(26)}`, /:2: residue number " {2}1x"/],
    [`${good}\nATOMX ${good.slice(6)}`, /:2: "ATOMX " begins no record/],
    [`${good}\nEND\n${atom({ number: 2 })}`, /:3: atoms after END/],
    ["HEADER only\n", /:1: no ATOM record/],
    ["", /:1: no ATOM record/],
    [`${good}\nMODEL 1\n${good}\nENDMDL`, /:2: MODEL after atoms/],
    [`MODEL 1\nENDMDL\n`, /:2: model 1 has no atoms/],
    [`MODEL 1\n${good}\n`, /:2: model 1 has no ENDMDL; the file is cut short/],
    [`MODEL one\n${good}\nENDMDL\n`, /:1: model number/],
  ];
  for (const [text, message] of cases) {
    const records = await read(readPdb, text);
    assert.match(fault(records[0]), message);
  }
});

test("a bad model is a fault, its neighbours are structures with the names of REMARKs", async () => {
  const model = (n: number, line: string) => `MODEL ${n}\n${line}\nENDMDL\n`;
  const text =
    "REMARK     MODEL 1 FROM emref_5.pdb\nREMARK  4  MODEL  2 FROM deep/er/x.pdb\n" +
    model(1, atom()) +
    model(2, atom({ x: "?" })) +
    model(7, atom()) +
    "END\n";
  const records = await read(readPdb, text, { source: "runs/ens.pdb" });
  assert.deepEqual(
    records.map((record) =>
      record.kind === "structure"
        ? [record.structure.name, record.structure.modelNumber, record.structure.line]
        : [record.fault.name, record.fault.line],
    ),
    [
      ["emref_5", 1, 3],
      ["x", 6],
      ["ens_model_7", 7, 9],
    ],
  );
  assert.match(fault(records[1]), /^runs\/ens\.pdb:7: x coordinate/);
});

test("a pose of too many atoms, and lines without end, are refused in bounded memory", async () => {
  async function* endless() {
    const lines = Array.from({ length: 9_000 }, (_, i) => atom({ number: i % 9_000 }));
    const residues = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"];
    for (const chain of residues) {
      yield Buffer.from(lines.map((l) => `${l.slice(0, 21)}${chain}${l.slice(22)}\n`).join(""));
    }
  }
  assert.ok(9_000 * 62 > ATOMS_MAX);
  const records: StructureRecord[] = [];
  for await (const record of readPdb(endless(), "huge.pdb")) records.push(record);
  assert.match(fault(records[0]), /^huge\.pdb:500001: more than 500000 atoms/);
  await assert.rejects(read(readPdb, "A".repeat(20_000)), /:1: a line of more than 16384 bytes/);
});

test("real files: an ensemble, and an antibody with sugars", async () => {
  const models = await read(readPdb, data("4G6M_models.pdb.gz"), { source: "m.pdb" });
  assert.deepEqual(
    models.map((record) => [structure(record).name, structure(record).atomCount]),
    [
      ["emref_5", 3630],
      ["emref_30", 3630],
    ],
  );
  const [sugars] = await read(readPdb, data("3MJ9.pdb.gz"));
  const hetero = structure(sugars).residues.filter((residue) => residue.isHetero);
  assert.deepEqual([...new Set(hetero.map(({ name }) => name))].sort(), [
    "BMA",
    "FUC",
    "MAN",
    "NAG",
  ]);
});

test("quiver archives: an entry a tag, score lines and labels skipped", async () => {
  const records = await read(readQuiver, data("nanobody_designs.qv.gz"), { source: "d.qv" });
  assert.deepEqual(
    records.map((record) => structure(record).name),
    ["samples_design_0", "samples_design_1"],
  );
  assert.deepEqual(
    structure(records[1]).chains.map(({ id }) => id),
    ["H", "T"],
  );
  const broken = `QV_TAG a\n${atom({ x: "x" })}\nQV_TAG b/../c\nQV_SCORE b s=1\n${atom()}\nQV_TAG d\n`;
  const [first, second, third] = await read(readQuiver, broken, { source: "d.qv" });
  assert.match(fault(first), /^d\.qv:2: x coordinate/);
  assert.equal(structure(second).name, "b/../c");
  assert.match(fault(third), /^d\.qv:6: no ATOM record/);
  await assert.rejects(read(readQuiver, `${atom()}\n`), /:1: text before the first QV_TAG/);
  await assert.rejects(read(readQuiver, "\n"), /no QV_TAG/);
});

const CIF_HEAD = `data_X
loop_
_other.a
_other.b
1 'it''s 5\u2032'
#
loop_
_atom_site.group_PDB
_atom_site.id
_atom_site.type_symbol
_atom_site.label_atom_id
_atom_site.label_alt_id
_atom_site.label_comp_id
_atom_site.label_asym_id
_atom_site.auth_asym_id
_atom_site.auth_seq_id
_atom_site.pdbx_PDB_ins_code
_atom_site.Cartn_x
_atom_site.Cartn_y
_atom_site.Cartn_z
_atom_site.pdbx_PDB_model_num
`;

test("mmCIF: author's numbering, quoted atom names, models, text blocks", async () => {
  const text = `${CIF_HEAD}ATOM 1 N N . ALA AA H -3 B -12.345 2.0(3) -3.125 1
HETATM 2 O "O5'" A A AA H 4 ? 1.0
 2.0 3.0 1
ATOM 3 C CA . GLY BA L 1 . 1 2 3 2
#
_citation.title
;text with
loop_ and ' quotes
;
`;
  for (const size of [1, 5, 4096]) {
    const records = await read(readMmcif, text, { source: "x.cif", size });
    const [one, two] = records.map(structure);
    assert.deepEqual([one!.name, two!.name], ["x_model_1", "x_model_2"]);
    assert.deepEqual(one!.atomNames, ["N", "O5'"]);
    assert.deepEqual([...one!.y], [2, 2]);
    assert.deepEqual([...one!.altLocs], [0, 65]);
    assert.deepEqual(
      one!.residues.map((r) => [r.name, r.number, r.insertion, r.isHetero]),
      [
        ["ALA", -3, "B", false],
        ["A", 4, "", true],
      ],
    );
    assert.equal(one!.chains[0]!.id, "H");
  }
});

test("each fault of an mmCIF file is said with its line", async () => {
  const row = (x: string, model = 1) => `ATOM 1 N N . ALA A H 1 ? ${x} 2.0 3.0 ${model}\n`;
  const cases: [string, RegExp][] = [
    [CIF_HEAD + row("x.0"), /^x\.cif:22: cartn_x "x\.0" is not a number/],
    [`${CIF_HEAD}ATOM 1 N N . ALA A H 1 ? 1.0\n`, /:22: the file is cut short/],
    [`${CIF_HEAD}ATOM 1 N N\nloop_\n`, /:23: row of 4 instead of 14/],
    [`${CIF_HEAD}ATOM 1 N 'N . ALA\n`, /:22: a quoted value has no end/],
    [CIF_HEAD.replace("_atom_site.Cartn_y\n", "") + row("1"), /_atom_site has no cartn_y/],
    ["data_X\n_cell.a 1\n", /no _atom_site row/],
    ["data_X\n;open\n", /the file is cut short/],
  ];
  for (const [text, message] of cases) {
    const records = await read(readMmcif, text, { source: "x.cif" });
    assert.match(fault(records[0]), message);
  }
  const mixed = await read(readMmcif, CIF_HEAD + row("?", 1) + row("1", 2), { source: "x.cif" });
  assert.match(fault(mixed[0]), /:22: cartn_x "" is not a number/);
  assert.equal(structure(mixed[1]).name, "x_model_2");
  // A value that is missing shifts all behind it, and must not end the model as if it were whole.
  for (const short of [" 2.0", " 3.0 1"]) {
    const text = CIF_HEAD + row("1") + row("4").replace(short, "") + row("7") + row("9");
    const records = await read(readMmcif, text, { source: "x.cif" });
    assert.equal(records.length, 1);
    assert.match(fault(records[0]), /^x\.cif:23: a row with too few values/);
  }
  const strange = await read(
    readMmcif,
    `${CIF_HEAD}${row("1")}${row("2").replace("1\n", "?x\n")}`,
    {
      source: "x.cif",
    },
  );
  assert.match(fault(strange[0]), /^x\.cif:23: model number "\?x" is wrong/);
});
