/** The value in the middle; of an even number of values the mean of the two there. */
export const median = (values) => {
  const numbers = Float64Array.from(values)
  const middle = Math.floor(numbers.length / 2)
  if (numbers.length === 0) return undefined
  const upper = select(numbers, middle)
  if (numbers.length % 2 === 1) return upper
  // What is left of the middle is not larger than it: the largest of them is the other one.
  return (numbers.subarray(0, middle).reduce((a, b) => Math.max(a, b)) + upper) / 2
}

/** Puts the value of a rank in its place, smaller ones before it. */
const select = (numbers, rank) => {
  let low = 0
  let high = numbers.length - 1
  while (low < high) {
    const pivot = numbers[(low + high) >>> 1]
    let left = low
    let right = high
    while (left <= right) {
      while (numbers[left] < pivot) left++
      while (numbers[right] > pivot) right--
      if (left <= right) {
        const value = numbers[left]
        numbers[left++] = numbers[right]
        numbers[right--] = value
      }
    }
    if (rank <= right) high = right
    else if (rank >= left) low = left
    else break
  }
  return numbers[rank]
}
