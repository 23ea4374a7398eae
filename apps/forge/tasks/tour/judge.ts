/** Builds tours by insertion, and says by how much longer they are than the shortest there are. */

interface Candidate {
  readonly priority: (centre: number, near: number, cost: number) => number
}

interface Instance {
  readonly name: string
  /** The length of the shortest tour, between all cities rounded to whole numbers as TSPLIB does. */
  readonly best: number
  readonly x: ReadonlyArray<number>
  readonly y: ReadonlyArray<number>
}

type Distance = (a: number, b: number) => number

const ask = ({ priority }: Candidate, centre: number, near: number, cost: number): number => {
  const answer: unknown = priority(centre, near, cost)
  if (typeof answer === "number" && Number.isFinite(answer)) return answer
  throw new Error(`priority(${centre}, ${near}, ${cost}) is no finite number: ${String(answer)}`)
}

const mean = (values: ReadonlyArray<number>): number => values.reduce((a, b) => a + b, 0) / values.length

const indexOfMost = (values: ReadonlyArray<number>): number => values.indexOf(Math.max(...values))

/** The cities in the order of the tour, which begins with one of them and the one that is furthest from it. */
const build = (
  candidate: Candidate,
  { x, y }: Pick<Instance, "x" | "y">,
  distance: Distance,
  first: number
): ReadonlyArray<number> => {
  const middle = [mean(x), mean(y)] as const
  const centre = x.map((at, i) => Math.hypot(at - middle[0], y[i]! - middle[1]))
  const unit = mean(centre)
  const second = indexOfMost(x.map((_, i) => distance(first, i)))
  const tour = [first, second]
  const left = new Set(x.keys())
  left.delete(first)
  left.delete(second)
  const near = x.map((_, i) => Math.min(distance(first, i), distance(second, i)))
  /** Of each city, by how much the tour becomes longer with it, and behind which city that is. */
  const cost = x.map(() => Infinity)
  const behind = x.map(() => first)
  const place = (city: number, a: number, b: number): void => {
    const more = distance(a, city) + distance(city, b) - distance(a, b)
    if (more >= cost[city]!) return
    cost[city] = more
    behind[city] = a
  }
  for (const city of left) place(city, first, second)
  while (left.size > 0) {
    let next = -1
    let highest = -Infinity
    for (const city of left) {
      const answer = ask(candidate, centre[city]! / unit, near[city]! / unit, cost[city]! / unit)
      if (answer > highest) {
        highest = answer
        next = city
      }
    }
    const a = behind[next]!
    tour.splice(tour.indexOf(a) + 1, 0, next)
    left.delete(next)
    const b = tour[(tour.indexOf(next) + 1) % tour.length]!
    for (const city of left) {
      near[city] = Math.min(near[city]!, distance(next, city))
      if (behind[city] === a) {
        // The gap it would go into is closed now.
        cost[city] = Infinity
        tour.forEach((from, i) => place(city, from, tour[(i + 1) % tour.length]!))
      } else {
        place(city, a, next)
        place(city, next, b)
      }
    }
  }
  return tour
}

const lengthOf = (tour: ReadonlyArray<number>, distance: Distance): number =>
  tour.reduce((sum, city, i) => sum + distance(city, tour[(i + 1) % tour.length]!), 0)

/** Rounded to whole numbers, as TSPLIB says for its type EUC_2D. */
const euclidean =
  ({ x, y }: Pick<Instance, "x" | "y">): Distance =>
  (a, b) =>
    Math.round(Math.hypot(x[a]! - x[b]!, y[a]! - y[b]!))

/** From how many cities a tour is begun, so that less of what is measured is luck. */
const begins = 6

const steps = [0, 0.01, 0.1, 0.5, 1, 2, 4]

export const tests: Record<string, (candidate: Candidate) => void> = {
  "gives a finite number for every city": (candidate) => {
    for (const cost of steps) for (const near of steps) for (const centre of steps) ask(candidate, centre, near, cost)
  },
  "gives the same answer to the same question": (candidate) => {
    for (const cost of steps) {
      const [first, second] = [ask(candidate, 0.7, 0.3, cost), ask(candidate, 0.7, 0.3, cost)]
      if (first !== second) throw new Error(`priority(0.7, 0.3, ${cost}) is ${first}, and then ${second}`)
    }
  },
  "goes round a grid of 36 cities without many detours": (candidate) => {
    const at = Array.from({ length: 36 }, (_, i) => i)
    const grid = { x: at.map((i) => 10 * (i % 6)), y: at.map((i) => 10 * Math.floor(i / 6)) }
    const length = lengthOf(build(candidate, grid, euclidean(grid), 0), euclidean(grid))
    // The shortest is 360.
    if (length > 540) throw new Error(`the tour is ${length} long, more than half longer than the shortest`)
  }
}

export const measure = (candidate: Candidate, instances: ReadonlyArray<Instance>) => {
  const excesses = instances.flatMap((instance) => {
    const distance = euclidean(instance)
    const { length } = instance.x
    return Array.from({ length: begins }, (_, i) => {
      const tour = build(candidate, instance, distance, Math.floor((i * length) / begins))
      return (lengthOf(tour, distance) / instance.best - 1) * 100
    })
  })
  return { excess: mean(excesses), worst: Math.max(...excesses) }
}
