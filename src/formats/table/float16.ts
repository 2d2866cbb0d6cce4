/**
 * IEEE 754 half precision: arrays of float32 to arrays of raw half bits and back.
 *
 * Owns: rounding. Invariant: `fromFloat16(toFloat16(x))` is the half nearest to x, ties to even.
 * It does not scale: what is larger than 65,504 and rounds up becomes infinity.
 */

const float = new Float32Array(1);
const bitsOf = new Uint32Array(float.buffer);

/** Below this float32 bit pattern a value is a half's subnormal or zero (2^-14). */
const NORMAL_MIN_BITS = 0x38800000;
/** From this pattern on a value rounds to infinity (65,520 = halfway past the largest half). */
const INFINITE_MIN_BITS = 0x477ff000;

/** Raw bits of one half from the bits of a float32; NaN stays NaN (quiet, payload dropped). */
function halfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= INFINITE_MIN_BITS) return sign | 0x7c00;
  if (magnitude >= NORMAL_MIN_BITS) {
    // Rebias the exponent (127 -> 15), add just under a half unit, and one more if the last is odd.
    const rebased = magnitude - 0x38000000;
    return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13);
  }
  const exponent = magnitude >>> 23;
  // Less than half of the smallest subnormal (2^-24): zero. 2^-25 itself is a tie and goes to zero.
  if (exponent < 102) return sign;
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - exponent;
  const kept = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  const up = rest > half || (rest === half && (kept & 1) === 1);
  return sign | (kept + (up ? 1 : 0));
}

/** Rounds float32 to half bits, nearest even. Same length as `values`. */
export function toFloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) halves[i] = halfBits(bits[i]!);
  return halves;
}

let widened: Float32Array | undefined;

/** All 65,536 halves as float32, built once: 256 KiB, and a look-up instead of arithmetic. */
function widenedTable(): Float32Array {
  if (widened !== undefined) return widened;
  widened = new Float32Array(65_536);
  for (let half = 0; half < 65_536; half++) {
    const exponent = (half >>> 10) & 0x1f;
    const mantissa = half & 0x3ff;
    const sign = half & 0x8000 ? -1 : 1;
    if (exponent === 31) {
      bitsOf[0] = ((half & 0x8000) << 16) | 0x7f800000 | (mantissa << 13);
      widened[half] = float[0]!;
    } else if (exponent === 0) widened[half] = sign * mantissa * 2 ** -24;
    else widened[half] = sign * (1024 + mantissa) * 2 ** (exponent - 25);
  }
  return widened;
}

/** Widens half bits to float32, exactly. Same length as `halves`. */
export function fromFloat16(halves: Uint16Array): Float32Array {
  const table = widenedTable();
  const values = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) values[i] = table[halves[i]!]!;
  return values;
}
