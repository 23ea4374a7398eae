/** Why a name cannot be a tag, or nothing: it must be told from a version, and be typed as one word. */
export const tagProblem = (name: string): string | undefined => {
  if (name === "") return "it is empty"
  if (name.length > 256) return "it is longer than 256 characters"
  if (name === "head" || /^v?\d+$/.test(name)) return "it would be taken for a version"
  return /[\s\p{Cc}]/u.test(name) || !name.isWellFormed()
    ? "white space and control characters are not allowed"
    : undefined
}
