/** Packs by a priority, and says by how much more bins than the lower bound it takes. */

interface Candidate {
  readonly priority: (item: number, least: number, left: number) => number
}

interface Instance {
  readonly name: string
  readonly capacity: number
  /** The bins of the best packing that is known of all items together. */
  readonly best: number
  readonly items: ReadonlyArray<number>
}

const capacity = 150

const ask = ({ priority }: Candidate, item: number, least: number, left: number): number => {
  const answer: unknown = priority(item, least, left)
  if (typeof answer === "number" && Number.isFinite(answer)) return answer
  throw new Error(`priority(${item}, ${least}, ${left}) is no finite number: ${String(answer)}`)
}

/** The room that is left in each bin. */
const pack = (candidate: Candidate, items: ReadonlyArray<number>): ReadonlyArray<number> => {
  const bins: Array<number> = []
  for (const item of items) {
    const least = bins.reduce((least, space) => (space >= item && space < least ? space : least), capacity)
    let chosen = -1
    let highest = -Infinity
    for (let i = 0; i <= bins.length; i++) {
      const space = bins[i] ?? capacity
      if (space < item) continue
      const answer = ask(candidate, item, least - item, space - item)
      if (answer > highest) {
        highest = answer
        chosen = i
      }
    }
    bins[chosen] = (bins[chosen] ?? capacity) - item
  }
  return bins
}

/** No packing has fewer: the bins that the items would fill to the brim. */
const lowerBound = (items: ReadonlyArray<number>): number => Math.ceil(items.reduce((a, b) => a + b, 0) / capacity)

const sizes = Array.from({ length: 81 }, (_, i) => 20 + i)

export const tests: Record<string, (candidate: Candidate) => void> = {
  "gives a finite number for every item and every space": (candidate) => {
    for (const item of sizes)
      for (let left = 0; left <= capacity - item; left++) {
        for (const least of [0, left]) ask(candidate, item, least, left)
      }
  },
  "gives the same answer to the same question": (candidate) => {
    const answers = () => sizes.map((item) => ask(candidate, item, 3, 7))
    const first = answers()
    const second = answers()
    sizes.forEach((item, i) => {
      if (first[i] !== second[i]) throw new Error(`priority(${item}, 3, 7) is ${first[i]}, and then ${second[i]}`)
    })
  },
  "fills bins before it opens others": (candidate) => {
    // Every packing that opens no bin without need takes at most twice the lower bound.
    const items = sizes.flatMap((_, i) => [sizes[(i * 37) % sizes.length]!, sizes[(i * 53) % sizes.length]!])
    const used = pack(candidate, items).length
    const most = 2 * lowerBound(items)
    if (used > most) throw new Error(`${used} bins, where twice the lower bound are ${most}`)
  }
}

/** As they come, backwards, and both from the middle on: one order alone is mostly luck. */
const orders = (items: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<number>> => {
  const middle = items.length >> 1
  return [items, items.toReversed()].flatMap((order) => [order, [...order.slice(middle), ...order.slice(0, middle)]])
}

/** By how much more bins are taken than the lower bounds, in percent: in all orders, and as the instances were published. */
export const measure = (candidate: Candidate, instances: ReadonlyArray<Instance>) => {
  let [bins, published, least] = [0, 0, 0]
  for (const { items } of instances) {
    const [first = 0, ...others] = orders(items).map((order) => pack(candidate, order).length)
    published += first
    bins += others.reduce((sum, used) => sum + used, first)
    least += lowerBound(items)
  }
  return { excess: (bins / (4 * least) - 1) * 100, published: (published / least - 1) * 100 }
}
