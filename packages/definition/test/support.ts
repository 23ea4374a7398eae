import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as Definition from "@heph/definition/Definition"
import type { InvalidDefinitions } from "@heph/definition/InvalidDefinition"
import type * as Value from "@heph/entry/Value"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"

/** An entry as plain values, for comparing. */
export interface PlainEntry {
  readonly id: string
  readonly kind: string
  readonly meta: Value.Value
  readonly data: Value.Value
}

export const plain = ({ entries }: Definition.Definitions): ReadonlyArray<PlainEntry> =>
  entries.map(({ entry }) => ({ id: entry.id.value, kind: entry.kind, meta: entry.meta, data: entry.data }))

export const parse = (text: string, source = "a.yaml"): Definition.Definitions =>
  Result.getOrThrow(Definition.parse(text, { source }))

/** The data of the one entry that has this line. */
export const dataOf = (line: string): Value.Value => parse(one(line)).entries[0]!.entry.data

/** A definition of one entry, on line 3. */
export const one = (line: string): string => `namespace: app\nentries:\n  - {name: x, kind: k, ${line}}\n`

const messages = (error: InvalidDefinitions): ReadonlyArray<string> => error.message.split("\n")

/** The lines of the error that a text is refused with. */
export const problems = (text: string, source = "a.yaml"): ReadonlyArray<string> =>
  messages(Result.getOrThrow(Result.flip(Definition.parse(text, { source }))))

/** The lines of the error that inputs are refused with. */
export const refused = (...inputs: ReadonlyArray<string | Definition.TextInput>) =>
  Effect.map(Effect.flip(Definition.load(inputs)), messages)

/** A folder with these files, which is gone after the test; a link is written as `{ link: target }`. */
export const folder = (files: Record<string, string | Uint8Array | { readonly link: string }>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const root = mkdtempSync(join(tmpdir(), "heph-definition-"))
      for (const [name, content] of Object.entries(files)) {
        const path = join(root, name)
        mkdirSync(dirname(path), { recursive: true })
        if (typeof content === "string" || content instanceof Uint8Array) writeFileSync(path, content)
        else symlinkSync(content.link, path)
      }
      return root
    }),
    (root) => Effect.sync(() => rmSync(root, { recursive: true, force: true }))
  )
