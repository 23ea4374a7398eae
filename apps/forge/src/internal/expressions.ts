/** New expressions, out of what means something at some place. */
import type * as Random from "effect/Random"
import type { Kind, Scope } from "./program.ts"

/** Draws, each from the generator that they are given. */
export const pick = <A>(random: Random.Random, items: ReadonlyArray<A>): A => items[below(random, items.length)]!

/** A whole number from 0, below a limit. */
export const below = (random: Random.Random, limit: number): number => Math.floor(random.nextDoubleUnsafe() * limit)

export const happens = (random: Random.Random, chance: number): boolean => random.nextDoubleUnsafe() < chance

/** Of items with weights. */
export const pickWeighted = <A>(random: Random.Random, items: ReadonlyArray<readonly [item: A, weight: number]>): A => {
  let left = random.nextDoubleUnsafe() * items.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [item, weight] of items) {
    left -= weight
    if (left < 0) return item
  }
  return items.at(-1)![0]
}

/** A number as it is written in an expression, to three digits. */
export const written = (value: number): string => {
  const text = String(Number(value.toPrecision(3)))
  return value < 0 ? `(${text})` : text
}

/** A number near another: a step, a share, or a simple one in its place. Whole ones mostly stay whole. */
export const nearby = (random: Random.Random, value: number): number => {
  const size = Math.max(Math.abs(value), 1)
  const share = (random.nextDoubleUnsafe() * 2 - 1) ** 3 * size
  const found = pickWeighted(random, [
    [value + share, 6],
    [value + (happens(random, 0.5) ? 1 : -1) * (Number.isInteger(value) ? 1 : size / 10), 3],
    [value * 2, 1],
    [value / 2, 1],
    [-value, 0.5],
    [0, 0.5],
    [1, 0.5]
  ])
  return Number.isInteger(value) && happens(random, 0.7) ? Math.round(found) : found
}

/** A number out of nothing: simple, or of any size from hundredths to hundreds. */
const anyNumber = (random: Random.Random): number =>
  happens(random, 0.5) ? pick(random, [0, 1, 2, 3, 5, 10, 0.1, 0.5]) : 10 ** (random.nextDoubleUnsafe() * 4.5 - 2)

/** What an expression is made from. */
export interface Material {
  readonly random: Random.Random
  readonly scope: Scope
  /** Numbers that the program has already. */
  readonly constants: ReadonlyArray<number>
}

/** A new expression of a kind, so many levels deep at most. In parentheses where it needs them anywhere. */
export const generate = (material: Material, kind: Kind, depth: number): string =>
  kind === "number" ? number(material, depth) : boolean(material, depth)

const constant = ({ constants, random }: Material): string =>
  written(constants.length > 0 && happens(random, 0.5) ? nearby(random, pick(random, constants)) : anyNumber(random))

const number = (material: Material, depth: number): string => {
  const { random, scope } = material
  const atoms = scope.atoms.number
  if (depth <= 0 || happens(random, 0.35)) {
    return atoms.length > 0 && happens(random, 0.7) ? pick(random, atoms) : constant(material)
  }
  const part = () => number(material, depth - 1)
  /** Two that differ, one of them with a name in it: anything else is a constant in disguise. */
  const [first, second] = again(
    () => [part(), part()] as const,
    ([first, second]) => first !== second && (isNamed(material, first) || isNamed(material, second))
  )
  switch (
    pickWeighted(random, [
      ["binary", 6] as const,
      ["bound", 1.5] as const,
      ["shape", 2] as const,
      ["choice", 2] as const
    ])
  ) {
    case "binary":
      return `(${first} ${pick(random, ["+", "-", "*", "/"])} ${second})`
    case "bound":
      return `Math.${pick(random, ["min", "max"])}(${first}, ${second})`
    case "shape":
      return pick(random, [shape.abs, shape.sqrt, shape.square, shape.log, shape.exp])(
        isNamed(material, first) ? first : second
      )
    case "choice":
      return `(${boolean(material, depth - 1)} ? ${first} : ${second})`
  }
}

const shape = {
  abs: (part: string) => `Math.abs(${part})`,
  sqrt: (part: string) => `Math.sqrt(Math.abs(${part}))`,
  square: (part: string) => `((${part}) ** 2)`,
  log: (part: string) => `Math.log1p(Math.abs(${part}))`,
  exp: (part: string) => `Math.exp(-Math.abs(${part}))`
}

const boolean = (material: Material, depth: number): string => {
  const { random, scope } = material
  const atoms = scope.atoms.boolean
  if (atoms.length > 0 && happens(random, 0.3)) return pick(random, atoms)
  if (depth > 1 && happens(random, 0.15)) {
    return `(${boolean(material, depth - 1)} ${pick(random, ["&&", "||"])} ${boolean(material, depth - 1)})`
  }
  const left = again(
    () => number(material, Math.min(depth, 1)),
    (text) => isNamed(material, text)
  )
  const right = again(
    () => (happens(random, 0.6) ? constant(material) : number(material, depth - 1)),
    (text) => text !== left
  )
  return `(${left} ${pick(random, ["<", "<=", ">", ">="])} ${right})`
}

const isNamed = ({ scope }: Material, text: string): boolean => scope.atoms.number.some((atom) => text.includes(atom))

/** Draws until it is good, or for the last time: where nothing has a name, nothing good can come. */
const again = <A>(draw: () => A, isGood: (drawn: A) => boolean): A => {
  for (let i = 0; i < 4; i++) {
    const drawn = draw()
    if (isGood(drawn)) return drawn
  }
  return draw()
}
