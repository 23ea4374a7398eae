/** What the registry of implementations refuses, one error for each outcome that a caller tells apart. */
import * as Schema from "effect/Schema"

/** There is no such version or component, at this version of the registry. */
export class UnknownImplementation extends Schema.TaggedError<UnknownImplementation>()("UnknownImplementation", {
  /** What was asked for: `project.component:version`, or a component. */
  id: Schema.String,
  /** The version of the registry that was looked at. */
  at: Schema.Number,
  /** Whether it was there once, and retention removed it. */
  removed: Schema.Boolean,
  /** What is there that looks like it. */
  near: Schema.Array(Schema.String)
}) {
  override get message(): string {
    if (this.removed)
      return `${this.id} was removed by retention; at a version of the registry before that it is still described`
    const hint = this.near.length === 0 ? "" : `; there is ${this.near.join(", ")}`
    return `there is no implementation ${this.id} at v${this.at}${hint}`
  }
}

/** What was given to be registered or recorded cannot be; `path` leads to what is wrong. */
export class InvalidImplementation extends Schema.TaggedError<InvalidImplementation>()("InvalidImplementation", {
  /** The component or version it was for. */
  id: Schema.String,
  path: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.id}: ${this.path}: ${this.reason}`
  }
}

/** An entry of kind `implementation` is not as this package writes them: somebody wrote it by other means. */
export class MalformedImplementation extends Schema.TaggedError<MalformedImplementation>()("MalformedImplementation", {
  id: Schema.String,
  path: Schema.String
}) {
  override get message(): string {
    return `the entry ${this.id} is of kind implementation, and its ${this.path} is not what a version has: register it anew`
  }
}

/** A criterion of a search cannot be understood. `expected` says what would be. */
export class InvalidSearch extends Schema.TaggedError<InvalidSearch>()("InvalidSearch", {
  criterion: Schema.String,
  reason: Schema.String,
  expected: Schema.String
}) {
  override get message(): string {
    return `${JSON.stringify(this.criterion)}: ${this.reason}; ${this.expected}`
  }
}
