/** What is wrong with definition files: each problem with its place, and all of them together. */
import * as Schema from "effect/Schema"

/**
 * One problem. `line` and `column` count from 1, columns in UTF-16 units; they are left out where the file as a whole is
 * meant (it is not there, it cannot be read).
 */
export class InvalidDefinition extends Schema.TaggedError<InvalidDefinition>()("InvalidDefinition", {
  file: Schema.String,
  line: Schema.optionalKey(Schema.Int),
  column: Schema.optionalKey(Schema.Int),
  reason: Schema.String
}) {
  override get message(): string {
    const place = this.line === undefined ? this.file : `${this.file}:${this.line}:${this.column}`
    return `${place}: ${this.reason}`
  }
}

/** How many problems an {@link InvalidDefinitions} lists. */
export const maxListed = 20

/**
 * The definitions cannot be used. `problems` are the first {@link maxListed}, in the order of the input; `total` counts
 * all of them. The message has a line for each, so its first line is an error of its own.
 */
export class InvalidDefinitions extends Schema.TaggedError<InvalidDefinitions>()("InvalidDefinitions", {
  problems: Schema.Array(InvalidDefinition),
  total: Schema.Int
}) {
  override get message(): string {
    const lines = this.problems.map((problem) => problem.message)
    const more = this.total - lines.length
    return (more > 0 ? [...lines, `… and ${more} more`] : lines).join("\n")
  }
}
