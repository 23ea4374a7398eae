/** Names: what a component and a version may be called. */
import * as EntryId from "@heph/entry/EntryId"
import * as Result from "effect/Result"
import { InvalidImplementation } from "../ImplementationError.ts"

/** A component as it is written, or why it is none: a namespace of at least two segments, the first of them the project. */
export const component = (text: string): Result.Result<string, InvalidImplementation> => {
  const refuse = (reason: string) => Result.fail(new InvalidImplementation({ id: text, path: "component", reason }))
  if (!text.includes(".")) return refuse("a component is written project.component, as web.parser")
  const id = EntryId.parse(`${text}:1`)
  if (Result.isFailure(id)) return refuse(id.failure.reason)
  return id.success.namespace === text ? Result.succeed(text) : refuse("a component has no colon; versions have")
}
