/** A value as text: the same text for equal values only, types and all. Keys are sorted. */
export const canonical = (value: unknown): string => {
  if (typeof value === "bigint") return `${value}n`
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value)
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  if (value instanceof Uint8Array) return `${value.constructor.name}<${value.join(" ")}>`
  if (value instanceof Date) return `Date<${value.getTime()}>`
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`
  const record = value as Readonly<Record<string, unknown>>
  const keys = Object.keys(record).sort()
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(record[key])}`).join(",")}}`
}

/** {@link canonical} of what a value becomes when it is stored: `-0` is 0, and bytes are plain. */
export const stored = (value: unknown): string => canonical(value).replaceAll(/(?<=^|[[,:])-0(?=$|[\],}])/g, "0")
