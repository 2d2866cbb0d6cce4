/**
 * Antibodies numbered by the real engine, from files to tables.
 *
 * Proves: positions agree with a truth set on which two other programs agree; what is no antibody
 * is a result and no failure; a record with two domains shows both; nothing is computed twice.
 * Skips aloud where the engine's Python environment cannot be made.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import {
  ANNOTATION_COLUMNS,
  SUMMARY_COLUMNS,
} from "../../src/driver/sequences/annotation-tables.ts";
import { GERMLINE_COLUMNS } from "../../src/driver/sequences/germline-fields.ts";
import { NUMBERINGS } from "../../src/kind/annotate.ts";
import { fastaOf } from "../support/fasta-text.ts";
import { readFailed, readIndex, readReport, readTable } from "../support/outputs.ts";
import { ENGINE_ENVIRONMENT, prepareEngine } from "../support/python-engines.ts";
import { REPOSITORY, Sandbox } from "../support/sandbox.ts";
import { germlinesProblem, SCORER_ENVIRONMENT } from "../support/scorer.ts";

const HEAVY =
  "QVQLVQSGAEVKRPGSSVTVSCKASGGSFSTYALSWVRQAPGRGLEWMGGVIPLLTITNYAPRFQGRITITADRSTSTAYLELNSLRPEDTAVYYCAREGTTGKPIGAFAHWGQGTLVTVSS";
const KAPPA =
  "DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK";
/** A camel's, against lysozyme (PDB 1MEL, chain A, variable domain). */
const NANOBODY =
  "DVQLQASGGGSVQAGGSLRLSCAASGYTIGPYCMGWFRQAPGKEREGVAAINMGGGITYYADSVKGRFTISQDNAKNTVYLLMNSLEPEDTAIYYCAADSTIYASYYECGHGLSTGGYGYDSWGQGTQVTVSS";
/** A mouse's light chain (PDB 12E8, chain L, variable domain). */
const MOUSE =
  "DIVMTQSQKFMSTSVGDRVSITCKASQNVGTAVAWYQQKPGQSPKLMIYSASNRYTGVPDRFTGSGSGTDFTLTISNMQSEDLADYFCQQYSSYPLTFGAGTKLELK";
const LYSOZYME =
  "KVFGRCELAAAMKRHGLDNYRGYSLGNWVCAAKFESNFNTQATNRNTDGSTDYGILQINSRWWCNDGRTPGSRNLCNIPCSALLSSDITASVNCAKKIVSDGNGMNAWVAWRNRCKGTDVQAWIRGCRL";
/** A lambda chain that lacks two residues between CDR2 and framework 3 (PDB 5C7X, chain L). */
const GAPPED =
  "DIELTQPPSVSVAPGQTARISCSGDSIGKKYAYWYQQKPGQAPVLVIYKKRPSGIPERFSGSNSGNTATLTISGTQAEDEADYYCSAWGDKGMVFGGGTKLTVL";
/** The A6 T-cell receptor's alpha chain, variable domain (PDB 1QRN). */
const RECEPTOR =
  "KEVEQNSGPLSVPEGAIASLNCTYSDRGSQSFFWYRQYSGKSPELIMFIYSNGDKEDGRFTAQLNKASQYVSLLIRDSQPSDSATYLCAVTTDSWGKLQFGAGTQVVVTP";

interface Truth {
  readonly id: string;
  readonly sequence: string;
  /** Residue by position. */
  readonly residues: ReadonlyMap<string, string>;
}

function readTruth(name: string): Truth[] {
  const text = readFileSync(join(REPOSITORY, "test", "data", "imgt", name), "utf8");
  const [head, ...lines] = text.trimEnd().split("\n");
  const columns = head!.split(",");
  return lines.map((line) => {
    const fields = line.split(",");
    const positions = columns.flatMap((column, i): [string, string][] =>
      /^\d/.test(column) && fields[i] ? [[column, fields[i]]] : [],
    );
    return { id: fields[0]!, sequence: fields[1]!, residues: new Map(positions) };
  });
}

describe("annotate", () => {
  let sandbox: Sandbox;
  let missing: string | undefined;
  before(async () => {
    sandbox = new Sandbox();
    ({ missing } = await prepareEngine("cluster", "engines", "annotate"));
  });
  after(() => sandbox[Symbol.asyncDispose]());

  const isMissing = (context: TestContext) => {
    if (missing !== undefined) context.skip(`no engine: ${missing}`);
    return missing !== undefined;
  };
  let runs = 0;
  const annotate = async (
    records: readonly { id: string; sequence: string }[],
    ...flags: string[]
  ) => {
    const name = `out${runs++}`;
    sandbox.write(`${name}.fasta`, fastaOf(records));
    const options = { environment: ENGINE_ENVIRONMENT };
    const args = ["annotate", `${name}.fasta`, "-o", name, "--engines", "2", ...flags];
    const ended = await sandbox.expect(0, args, options);
    const folder = sandbox.path(name);
    const residues = await readTable(join(folder, "annotations.tsv"), ANNOTATION_COLUMNS);
    const summary = await readTable(join(folder, "summary.tsv"), SUMMARY_COLUMNS);
    return { ...ended, folder, residues, summary };
  };

  test("positions agree with the truth set", async (context) => {
    if (isMissing(context)) return;
    const truth = [...readTruth("kappa.csv"), ...readTruth("lambda.csv")];
    const { residues } = await annotate(truth);
    const found = new Map(truth.map(({ id }) => [id, new Map<string, string>()]));
    for (const { sequence_id, imgt_position, insertion, residue } of residues) {
      found.get(sequence_id)!.set(`${imgt_position}${insertion}`, residue);
    }
    let residueCount = 0;
    let wrongCount = 0;
    const wrongChains: string[] = [];
    for (const { id, residues: expected } of truth) {
      const wrong = [...expected].filter(
        ([position, letter]) => found.get(id)!.get(position) !== letter,
      );
      residueCount += expected.size;
      wrongCount += wrong.length;
      if (wrong.length > 0 || found.get(id)!.size !== expected.size) wrongChains.push(id);
    }
    assert.ok(residueCount > 12_000);
    // A residue is missing at 92 or at 93; germlines say 92, the alignment 93.
    assert.deepEqual(wrongChains, ["5eoc_M|Light|M"]);
    assert.equal(wrongCount, 1);
  });

  test("--numbering anarci: the same of whole domains, its own where residues lack", async (context) => {
    const engine = await prepareEngine("cluster", "engines", "anarci");
    if (isMissing(context)) return;
    if (engine.missing !== undefined) return context.skip(`no engine: ${engine.missing}`);
    const linked = `${HEAVY}GGGGSGGGGSGGGGS${KAPPA}`;
    const records = Object.entries({ linked, NANOBODY, LYSOZYME, GAPPED });
    const all = records.map(([id, sequence]) => ({ id, sequence }));
    const ours = await annotate(all);
    const theirs = await annotate(all, "--numbering", "anarci");
    const whole = (rows: typeof ours.residues) =>
      rows.filter(({ sequence_id }) => sequence_id !== "GAPPED");
    assert.deepEqual(whole(theirs.residues), whole(ours.residues));
    const cdr2 = ({ summary }: typeof ours) =>
      summary.find(({ sequence_id }) => sequence_id === "GAPPED")!.cdr2_aa;
    // Two residues of IYKDSERPSG are missing: IYKKRPSG.
    assert.equal(cdr2(theirs), "KK");
    assert.equal(cdr2(ours), "K");
    assert.ok(JSON.stringify(readReport(theirs.folder)).includes(NUMBERINGS.anarci.fingerprint));
  });

  test("--species: the nearest germlines, of the same folder without computing", async (context) => {
    if (isMissing(context)) return;
    const problem = await germlinesProblem();
    if (problem) return context.skip(problem);
    const linked = `${HEAVY}GGGGSGGGGSGGGGS${KAPPA}`;
    const records = { fv: linked, nanobody: NANOBODY, mouse: MOUSE, lysozyme: LYSOZYME };
    sandbox.write(
      "species.fasta",
      fastaOf(Object.entries(records).map(([id, sequence]) => ({ id, sequence }))),
    );
    const environment = { ...ENGINE_ENVIRONMENT, ...SCORER_ENVIRONMENT };
    const args = ["annotate", "species.fasta", "-o", "species", "--engines", "1"];
    await sandbox.expect(0, args, { environment });
    const { stderr } = await sandbox.expect(0, [...args, "--species"], { environment });
    assert.match(stderr, /nearest germlines: 2 Homo sapiens, 1 Vicugna pacos, 1 Mus musculus/);
    const columns = [...SUMMARY_COLUMNS.slice(0, -1), ...GERMLINE_COLUMNS, "note"];
    const rows = await readTable(sandbox.path("species", "summary.tsv"), columns);
    assert.deepEqual(
      rows.map((row) => row.locus_species),
      ["Homo sapiens,Homo sapiens", "Vicugna pacos", "Mus musculus", ""],
    );
    assert.match(rows[0]!.v_call!, /^IGHV1-69[^,]*,IGKV1D?-39[^,]*$/);
    assert.match(rows[0]!.j_call!, /^IGHJ[^,]*,IGKJ[^,]*$/);
    assert.match(rows[0]!.v_identity!, /^0\.8\d\d,0\.8\d\d$/);
    const report = readReport(sandbox.path("species"));
    assert.equal(report.counts.computed, 0);
    assert.equal(report.germlines?.name, "anarci-germlines");
  });

  test("antibodies, what is none, and several domains, in the order of the input", async (context) => {
    if (isMissing(context)) return;
    const linked = `${HEAVY}GGGGSGGGGSGGGGS${KAPPA}`;
    const records = [
      { id: "heavy", sequence: HEAVY },
      { id: "lysozyme", sequence: LYSOZYME },
      { id: "again", sequence: HEAVY },
      { id: "a\\b", sequence: linked },
      { id: "short", sequence: "MKV" },
      { id: "unknown", sequence: KAPPA.replace("DIQMT", "DIQXB") },
      { id: "receptor", sequence: RECEPTOR },
      // A domain behind more residues than the aligner takes at once.
      { id: "far", sequence: `${"GSAG".repeat(2900)}${KAPPA}${"GSAG".repeat(300)}` },
    ];
    const { folder, residues, summary, stdout, stderr } = await annotate(records);
    assert.equal(stdout.trim(), folder);
    assert.match(stderr, /8 records, 7 distinct/);
    assert.match(stderr, /antibody domains: 3 IGH, 3 IGK; records without a domain: 3/);
    const index = await readIndex(folder);
    assert.deepEqual(
      index.map(({ row, id, status }) => [row, id, status]),
      records.map(({ id }, i) => {
        const isNone = ["lysozyme", "short", "receptor"].includes(id);
        return [String(i), id, isNone ? "no antibody" : "ok"];
      }),
    );
    assert.match(index[1]!.note, /confidence/);
    assert.match(index[5]!.note, /1 residues read as unknown/);
    assert.equal(existsSync(join(folder, "failed.tsv")), false);
    assert.equal(readReport(folder).exit, 0);

    const { cdr1_aa, cdr2_aa, cdr3_aa, fwr4_aa, ...first } = summary[0]!;
    assert.deepEqual(
      [cdr1_aa, cdr2_aa, cdr3_aa, fwr4_aa],
      ["GGSFSTYA", "VIPLLTIT", "AREGTTGKPIGAFAH", "WGQGTLVTVSS"],
    );
    assert.deepEqual([first.locus, first.v_domain_start, first.v_domain_end], ["IGH", "1", "122"]);
    const again = { ...summary[2]!, row: "0", sequence_id: "heavy" };
    assert.deepEqual(again, summary[0]);
    const both = summary[3]!;
    assert.deepEqual(
      [both.sequence_id, both.domains, both.locus, both.v_domain_start, both.cdr3_aa],
      ["a\\b", "2", "IGH,IGK", "1,138", "AREGTTGKPIGAFAH,QQHYTTPPT"],
    );
    assert.deepEqual([summary[1]!.domains, summary[1]!.locus], ["0", ""]);
    assert.deepEqual([summary[7]!.locus, summary[7]!.v_domain_start], ["IGK", "11601"]);

    // Every numbered residue is the sequence's own, and none is numbered twice.
    const seen = new Set<string>();
    for (const { row, sequence_position, residue, domain, imgt_position, insertion } of residues) {
      assert.equal(records[Number(row)]!.sequence[Number(sequence_position) - 1], residue);
      seen.add(`${row} ${sequence_position}`).add(`${row} ${domain}: ${imgt_position}${insertion}`);
    }
    assert.equal(seen.size, 2 * residues.length);
    assert.deepEqual(
      residues
        .filter(({ row, region }) => row === "0" && region === "cdr3")
        .map((each) => each.imgt_position + each.insertion),
      [
        "105",
        "106",
        "107",
        "108",
        "109",
        "110",
        "111",
        "111A",
        "112A",
        "112",
        "113",
        "114",
        "115",
        "116",
        "117",
      ],
    );
  });

  test("receptors are found when asked for; the same command again computes nothing", async (context) => {
    if (isMissing(context)) return;
    const records = [
      { id: "receptor", sequence: RECEPTOR },
      { id: "lysozyme", sequence: LYSOZYME },
    ];
    const flags = ["--chains", "H,K,L,A,B,G,D"];
    const { folder, summary, stderr: said } = await annotate(records, ...flags);
    assert.match(said, /antibody domains: none; T-cell receptor domains: 1 TRA; /);
    assert.deepEqual([summary[0]!.locus, summary[0]!.cdr3_aa], ["TRA", "AVTTDSWGKLQ"]);
    assert.deepEqual(
      (await readIndex(folder)).map(({ status }) => status),
      ["ok", "no domain"],
    );
    const before = readFileSync(join(folder, "annotations.tsv"));
    runs--;
    const { stderr } = await annotate(records, ...flags);
    assert.match(stderr, /2 distinct, 2 cached/);
    assert.deepEqual(readFileSync(join(folder, "annotations.tsv")), before);
  });

  test("what makes no sense is said before anything runs", async (context) => {
    if (isMissing(context)) return;
    sandbox.write("bad.fasta", ">a\nMK1V\n>b\n\n>c\nMKV\n");
    const environment = ENGINE_ENVIRONMENT;
    const refused = await sandbox.expect(65, ["annotate", "bad.fasta", "-o", "bad"], {
      environment,
    });
    assert.match(
      refused.stderr,
      /bad\.fasta:1: a: letters .* 1 at 3; .*bad\.fasta:3: b: record without/,
    );
    const flags = ["--on-invalid", "skip", "--json"];
    const { stdout } = await sandbox.expect(2, ["annotate", "bad.fasta", "-o", "bad", ...flags], {
      environment,
    });
    const summary = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual(
      [summary.rows, summary.failed, summary.withoutDomain, summary.exit],
      [1, 2, 1, 2],
    );
    assert.equal((await readFailed(sandbox.path("bad"))).length, 2);
    await sandbox.expect(64, ["annotate", "bad.fasta", "-o", "x", "--chains", "H,Q"]);
    await sandbox.expect(64, ["annotate", "bad.fasta", "-o", "x", "--min-confidence", "2"]);
    const other = ["annotate", "bad.fasta", "-o", "bad", "--chains", "H"];
    assert.match(
      (await sandbox.expect(64, other)).stderr,
      /belongs to a run with other parameters/,
    );
  });
});
