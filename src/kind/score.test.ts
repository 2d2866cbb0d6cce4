import assert from "node:assert/strict";
import { test } from "node:test";
import { poseSequences, prepareComplex } from "../science/prepare.ts";
import { regionsOf } from "../science/regions.ts";
import { loadTruth, TRUTH_NAMES } from "../science/truth.fixture.ts";
import { decodePose, encodePose, NAMELESS } from "./pose-item.ts";
import {
  canonicalScoreJson,
  decodeScore,
  dressPose,
  encodeScore,
  type PoseScore,
  parseScoreParameters,
  resolveScore,
  undressPose,
} from "./score.ts";

const SOURCES = { embedding: "none", regions: "test" };

test("a pose comes back from its item as it was, chosen chains only", async () => {
  for (const name of TRUTH_NAMES) {
    const { structure, truth } = await loadTruth(name);
    const { heavy, light, antigen_chains_input: antigen } = truth.source;
    const choice = { heavy, antigen, ...(light !== null && { light }) };
    const item = encodePose(structure, choice);
    const pose = decodePose(item);
    assert.deepEqual(pose.choice, choice);
    for (const alignment of ["original", "residues"] as const) {
      const before = prepareComplex({ ...structure, ...NAMELESS }, choice, alignment);
      assert.deepEqual(prepareComplex(pose.structure, choice, alignment), before, name);
      assert.deepEqual(poseSequences(structure, choice, alignment), before.sequences, name);
    }
    assert.deepEqual(encodePose(pose.structure, choice), item);
    assert.ok(item.length < 16 * structure.atomCount + 8192, `${name}: ${item.length} bytes`);
  }
});

test("coordinates that have more decimals, or a minus zero, are kept too", async () => {
  const { structure, truth } = await loadTruth("5E5M");
  const choice = { heavy: truth.source.heavy, antigen: truth.source.antigen_chains_input };
  const x = Float64Array.from(structure.x);
  x[structure.residues[0]!.atomStart] = 1.23456789;
  x[structure.residues[0]!.atomStart + 1] = -0;
  const { structure: back } = decodePose(encodePose({ ...structure, x }, choice));
  const before = prepareComplex({ ...structure, ...NAMELESS, x }, choice, "original");
  assert.deepEqual(prepareComplex(back, choice, "original"), before);
});

test("bytes that are no pose are refused, never misread", async () => {
  const { structure, truth } = await loadTruth("5E5M");
  const choice = { heavy: truth.source.heavy, antigen: truth.source.antigen_chains_input };
  const item = encodePose(structure, choice);
  assert.throws(() => encodePose(structure, { ...choice, heavy: "?" }), /no heavy chain "\?"/);
  for (const length of [0, 3, 4, 50, item.length - 1]) {
    assert.throws(() => decodePose(item.subarray(0, length)), { code: "bad-input" });
  }
  assert.throws(() => decodePose(Buffer.concat([item, item])), { code: "bad-input" });
  const huge = Buffer.from(item);
  huge.writeUInt32LE(0xffff_ffff);
  assert.throws(() => decodePose(huge), { code: "bad-input" });
});

test("annotations travel with a pose and come back", () => {
  const pose = Uint8Array.of(1, 2, 3);
  const annotations = {
    heavy: "F1.",
    light: "",
    antibodyScalars: Float32Array.of(0.5, -1, 2),
    antigenScalars: new Float32Array(),
    problem: "no embedding: größe",
  };
  const dressed = dressPose(pose, annotations);
  const back = undressPose(dressed);
  assert.deepEqual(Uint8Array.from(back.pose), pose);
  assert.deepEqual(back.annotations, annotations);
  assert.throws(() => undressPose(dressed.subarray(0, 25)), { code: "bad-input" });
  assert.throws(() => undressPose(new Uint8Array(7)), { code: "bad-input" });
});

test("a row comes back as it was, and what is no row is refused", () => {
  const row: PoseScore = {
    score: Math.fround(0.7),
    pairing: "low_HL_contacts",
    clashFraction: Math.fround(0.06),
    offCentre: 12.5,
    nodeCount: 200,
    edgeCount: 1400,
    notes: ["hydrogens 3 (ALA H1)", "\u00e4"],
  };
  const bytes = encodeScore(row);
  assert.deepEqual(decodeScore(bytes), row);
  assert.throws(() => decodeScore(bytes.subarray(0, 10)), { code: "bad-input" });
  assert.throws(() => decodeScore(bytes.subarray(0, 30)), { code: "bad-input" });
});

test("parameters have one canonical form; a change of it changes every content key", () => {
  const text = canonicalScoreJson(resolveScore({}, SOURCES));
  assert.equal(
    text,
    '{"align":"original","centre":"file","embedding":"none","radii":"original","regions":"test","revision":2}',
  );
  assert.equal(canonicalScoreJson(parseScoreParameters(text)), text);
  assert.throws(() => parseScoreParameters("{}"), { code: "bad-input" });
  assert.throws(() => resolveScore({ centre: "moon" as "com" }, SOURCES), { code: "usage" });
});

test("labels from numberings are the original's, whatever the order of roles", async () => {
  for (const name of TRUTH_NAMES) {
    const { truth, complex } = await loadTruth(name);
    const wanted = truth.cdr.map(([, , region]) => region);
    const { heavy, light } = complex.sequences;
    // Where no residue is out of order, labels by number are labels by place.
    const numbering = wanted.map((region) => (/\d/.test(region) ? region[1]! : "F")).join("");
    const given = {
      heavy: numbering.slice(0, heavy.length),
      light: numbering.slice(heavy.length, heavy.length + light.length),
    };
    assert.deepEqual(regionsOf(complex, given, "original"), wanted, name);
    assert.throws(
      () => regionsOf(complex, { ...given, heavy: ".".repeat(heavy.length) }, "original"),
      /heavy chain of .* has no antibody variable domain/,
    );
    assert.throws(() => regionsOf(complex, { ...given, heavy: "F" }, "residues"), /numbering of 1/);
  }
});
