/**
 * The component that a file is a version of: `project.path`, where what an id cannot hold is percent-encoded, and only that.
 *
 *     app  src/main.ts     ──▶  app.src/main.ts
 *     app  .github/a b.md  ──▶  app.%2Egithub/a%20b.md      no empty segment, no white space
 *     my.app  50%:x        ──▶  my%2Eapp.50%25%3Ax          the project is the first segment
 */
import * as EntryId from "@heph/entry/EntryId"

/**
 * How long a component may be, in UTF-8 bytes: what an id leaves to it beside `:` and a version that is named by its hash.
 */
export const maxBytes = EntryId.maxBytes - 65

const encoder = new TextEncoder()

// `encodeURIComponent` leaves dots as they are.
const encode = (text: string): string => (text === "." ? "%2E" : encodeURIComponent(text))

/** A dot that would make a segment empty, and what no namespace holds. */
const refusedInPath = /^\.|\.$|(?<=\.)\.|[\s\p{Cc}%:]/gu
const refusedInProject = /[\s\p{Cc}%:.]/gu

/**
 * The segment for a project of this name; of no name, `repository`.
 *
 * @example
 * import * as ComponentName from "@heph/import-git/ComponentName"
 *
 * console.log(ComponentName.projectOf("my.app")) //=> my%2Eapp
 */
export const projectOf = (name: string): string =>
  name === "" ? "repository" : name.replaceAll(refusedInProject, encode)

/**
 * The component for a path in a project, or nothing where it would be longer than {@link maxBytes}. Other paths have
 * other components. The path is text without lone surrogates.
 *
 * @example
 * import * as ComponentName from "@heph/import-git/ComponentName"
 *
 * console.log(ComponentName.componentOf("app", "src/main.ts")) //=> app.src/main.ts
 * console.log(ComponentName.componentOf("app", "../.a b..ts")) //=> app.%2E%2E/.a%20b.%2Ets
 */
export const componentOf = (project: string, path: string): string | undefined => {
  const component = `${project}.${path.replaceAll(refusedInPath, encode)}`
  return encoder.encode(component).length > maxBytes ? undefined : component
}

/**
 * The path that a component was made for.
 *
 * @example
 * import * as ComponentName from "@heph/import-git/ComponentName"
 *
 * console.log(ComponentName.pathOf("app.%2E%2E/.a%20b.%2Ets")) //=> ../.a b..ts
 */
export const pathOf = (component: string): string => decodeURIComponent(component.slice(component.indexOf(".") + 1))
