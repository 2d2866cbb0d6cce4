/**
 * The names of results: digests of what a result depends on, and of nothing else.
 *
 * Owns: item digests, space digests, content keys. A space is everything but the item: kind, model
 * fingerprint, parameters. Invariant: equal inputs give equal keys on every machine and in every
 * version; attempt, host, code version and time never enter. Deliberately not here: what makes an
 * item canonical (its kind says that).
 */
import { hash } from "node:crypto";

/** A digest is SHA-256 everywhere. */
export const KEY_BYTES = 32;

/** SHA-256 of a canonical item: what index.tsv shows, and what `sha256sum` says of the same bytes. */
export type ItemDigest = Buffer & { readonly brand: "ItemDigest" };
/** Names everything a result depends on but the item. */
export type SpaceDigest = Buffer & { readonly brand: "SpaceDigest" };
/** Names one result. */
export type ContentKey = Buffer & { readonly brand: "ContentKey" };

/** What a space is made of, in words. */
export interface Space {
  readonly kind: string;
  /** Of the model: equal fingerprints mean equal weights and architecture. */
  readonly fingerprint: string;
  /** Canonical JSON of the kind's parameters: equal parameters must be equal strings. */
  readonly parameters: string;
}

// Fixed prefixes keep digests of different purposes apart, and a change of scheme changes them all.
const SPACE_TAG = "raysidue.space.1";
const KEY_TAG = Buffer.from("raysidue.key.1\0\0");

const sha256 = (data: Uint8Array): Buffer => hash("sha256", data, "buffer");

/** SHA-256 of the canonical item, 32 bytes, without any prefix. */
export function itemDigest(data: Uint8Array): ItemDigest {
  return sha256(data) as ItemDigest;
}

/** 32 bytes. Fields are length-prefixed, so that no two spaces run into one another. */
export function spaceDigest(space: Space): SpaceDigest {
  const parts: Buffer[] = [];
  for (const field of [SPACE_TAG, space.kind, space.fingerprint, space.parameters]) {
    const bytes = Buffer.from(field, "utf8");
    const size = Buffer.alloc(4);
    size.writeUInt32LE(bytes.length);
    parts.push(size, bytes);
  }
  return sha256(Buffer.concat(parts)) as SpaceDigest;
}

// One scratch area for all calls: they are synchronous, and a million keys need no million buffers.
const scratch = Buffer.alloc(KEY_TAG.length + 2 * KEY_BYTES);
KEY_TAG.copy(scratch);

/** 32 bytes: SHA-256 of a fixed tag, the space's digest and the item's digest. */
export function contentKey(space: SpaceDigest, item: ItemDigest): ContentKey {
  scratch.set(space, KEY_TAG.length);
  scratch.set(item, KEY_TAG.length + KEY_BYTES);
  return sha256(scratch) as ContentKey;
}
