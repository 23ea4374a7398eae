/**
 * A sketch of code: how alike two are can be told from theirs, without the code. Lines are hashed into bins, of each bin
 * the least hash is kept (one-permutation MinHash), so that the share of equal bins estimates the share of equal lines.
 */
import type { Given } from "./files.ts"

const bins = 64
/** What a bin without a line holds: no hash is kept as it. */
const none = 0xffff

const isSpace = (byte: number): boolean => byte === 32 || (byte >= 9 && byte <= 13)

/** 32 bits of FNV-1a with a final mix, over a line without the white space around it. */
const hashLine = (bytes: Uint8Array, from: number, to: number): number => {
  let hash = 0x811c9dc5
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** The hashes of the lines that hold more than white space; ~1 ns a byte. */
export const lineHashes = (bytes: Uint8Array, onLine: (hash: number) => void): void => {
  const { length } = bytes
  for (let start = 0; start < length;) {
    let end = bytes.indexOf(10, start)
    if (end < 0) end = length
    let from = start
    let to = end
    while (from < to && isSpace(bytes[from]!)) from++
    while (to > from && isSpace(bytes[to - 1]!)) to--
    if (to > from) onLine(hashLine(bytes, from, to))
    start = end + 1
  }
}

/** The sketch of files: 128 bytes as text. Empty where no line holds anything. */
export const of = (files: ReadonlyArray<Pick<Given, "bytes">>): string => {
  const least = new Uint16Array(bins).fill(none)
  let any = false
  for (const { bytes } of files) {
    lineHashes(bytes, (hash) => {
      const bin = hash & (bins - 1)
      const value = Math.min(hash >>> 16, none - 1)
      if (value < least[bin]!) least[bin] = value
      any = true
    })
  }
  if (!any) return ""
  let text = ""
  for (const value of least) text += value.toString(16).padStart(4, "0")
  return text
}

/** About how large a share of their lines two have in common, from 0 to 1. */
export const similarity = (a: string, b: string): number => {
  if (a === "" || b === "") return a === b ? 1 : 0
  let same = 0
  let either = 0
  for (let i = 0; i < a.length; i += 4) {
    const one = a.slice(i, i + 4)
    const other = b.slice(i, i + 4)
    if (one === "ffff" && other === "ffff") continue
    either++
    if (one === other) same++
  }
  return either === 0 ? 0 : same / either
}
