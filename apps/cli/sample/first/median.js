/** The value in the middle; of an even number of values the mean of the two there. */
export const median = (values) => {
  for (const value of values) {
    const below = values.filter((other) => other < value).length
    const above = values.filter((other) => other > value).length
    if (below <= values.length / 2 && above <= values.length / 2 && values.length % 2 === 1) return value
  }
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return sorted.length === 0 ? undefined : (sorted[middle - 1] + sorted[middle]) / 2
}
