/**
 * Compressed frames: with `Hash`, the one module of this package that uses Node itself.
 *
 * A frame is a zstd frame without its first four bytes, which are the same in each. One that is a difference was made with
 * its base as the dictionary. Frames say neither how long their content is nor what it hashes to: the row says the one, and
 * the hash is checked by whoever reads. With another base of the same length a frame gives wrong bytes without an error.
 */
import { constants, zstdCompress, zstdCompressSync, zstdDecompressSync } from "node:zlib"
import * as Effect from "effect/Effect"

/**
 * How hard to try: a level of zstd from 1 to 22, or
 *
 * - `quick`: what level 10 looks for, but never in a binary tree. Filling the tree with a base of 100 KB takes 10 ms; this way
 *   a difference against it takes 0.4 ms, and is larger by a tenth.
 * - `thorough`: level 19.
 */
export type Effort = "quick" | "thorough" | number

const magic = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd)
/** Bytes that begin so are read as a trained dictionary, or refused as a broken one. */
const dictionaryMagic = Uint8Array.of(0x37, 0xa4, 0x30, 0xec)
/** zstd takes no notice of a shorter dictionary. */
const shortestBase = 8
/** A decoder asks for no more memory than this for a base and its content together. */
const longestSpan = 2 ** 27
/** The tables of a level forget what is further away. */
const nearSpan = 2 ** 20

const startsWith = (bytes: Uint8Array, start: Uint8Array): boolean => start.every((byte, i) => bytes[i] === byte)

/** Whether a content of so many bytes can be kept as a difference against another one. */
export const canStandOn = (base: Uint8Array, size: number): boolean =>
  hasDifferences &&
  base.length >= shortestBase &&
  base.length + size <= longestSpan &&
  !startsWith(base, dictionaryMagic)

const optionsFor = (effort: Effort, size: number, base: Uint8Array | undefined) => {
  const span = size + (base?.length ?? 0)
  const params = {
    [constants.ZSTD_c_compressionLevel]: typeof effort === "number" ? effort : effort === "thorough" ? 19 : 10,
    [constants.ZSTD_c_contentSizeFlag]: 0,
    [constants.ZSTD_c_checksumFlag]: 0,
    [constants.ZSTD_c_dictIDFlag]: 0
  }
  if (effort === "quick") params[constants.ZSTD_c_strategy] = constants.ZSTD_lazy2
  // What comes out is small: by default 128 KB are taken for it, each time.
  const chunkSize = Math.min(Math.max(Math.ceil(size / 4), 1024), 65_536)
  // Beside the event loop the size would not be known, and the frame another one.
  const given = { params, chunkSize, pledgedSrcSize: size }
  if (base === undefined) return given
  if (span > nearSpan) {
    params[constants.ZSTD_c_windowLog] = Math.ceil(Math.log2(span))
    params[constants.ZSTD_c_hashLog] = 22
    params[constants.ZSTD_c_chainLog] = 22
  }
  return { ...given, dictionary: base }
}

const plain = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Gives a frame of a content, as a difference against a base if there is one. */
export type Compress = (bytes: Uint8Array, base: Uint8Array | undefined, effort: Effort) => Effect.Effect<Uint8Array>

const frameOf = (bytes: Uint8Array, base: Uint8Array | undefined, effort: Effort): Uint8Array =>
  plain(zstdCompressSync(bytes, optionsFor(effort, bytes.length, base))).subarray(magic.length)

/** At once, while nothing else is done. */
export const compress: Compress = (bytes, base, effort) => Effect.sync(() => frameOf(bytes, base, effort))

/** Beside the event loop, and side by side with others: it takes ~30 µs longer. */
export const compressAside: Compress = (bytes, base, effort) =>
  Effect.callback<Uint8Array>((resume) => {
    // Told how much there is, it makes the same frame as at once.
    const options = { ...optionsFor(effort, bytes.length, base), pledgedSrcSize: bytes.length }
    zstdCompress(bytes, options, (error, frame) =>
      resume(error === null ? Effect.succeed(plain(frame).subarray(magic.length)) : Effect.die(error))
    )
  })

const sample = new Uint8Array(256).map((_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24)
/** Whether this Node has differences at all: 24.0 to 24.5 take no notice of a dictionary. */
export const hasDifferences = frameOf(sample, sample, 1).length < frameOf(sample, undefined, 1).length

/** The content of a frame, or nothing where the frame does not give exactly so many bytes. Check its hash. */
export const decompress = (frame: Uint8Array, base: Uint8Array | undefined, size: number): Uint8Array | undefined => {
  const whole = new Uint8Array(magic.length + frame.length)
  whole.set(magic)
  whole.set(frame, magic.length)
  // In one piece where it is not large: joining pieces takes as long as decoding. A size may be wrong, and is no reason to
  // ask for that much memory at once.
  const chunkSize = Math.min(Math.max(size, 64), nearSpan)
  const options = { chunkSize, maxOutputLength: Math.max(size, 1), rejectGarbageAfterEnd: true }
  try {
    const content = plain(zstdDecompressSync(whole, base === undefined ? options : { ...options, dictionary: base }))
    return content.length === size ? content : undefined
  } catch {
    return undefined
  }
}
