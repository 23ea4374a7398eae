/**
 * Texts in the order of their code points. JavaScript compares UTF-16 units, which puts what lies beyond the first
 * 65,536 code points, emoji for one, before the last 8,192 of these.
 */

/** Whether a text holds units for which the two orders differ. Where one of two texts has none, they agree. */
export const isWide = (text: string): boolean => wide.test(text)

const wide = /[\ud800-\uffff]/

export const compareText = (a: string, b: string): number => {
  if (a === b) return 0
  const order = a < b ? -1 : 1
  return isWide(a) && isWide(b) ? compareWide(a, b, order) : order
}

const compareWide = (a: string, b: string, order: number): number => {
  const end = Math.min(a.length, b.length)
  let at = 0
  while (at < end && a.charCodeAt(at) === b.charCodeAt(at)) at++
  return at === end ? order : lifted(a.charCodeAt(at)) - lifted(b.charCodeAt(at))
}

/** Surrogates above all other units, in their order. */
const lifted = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800)
