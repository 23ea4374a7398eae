/** The six options: what each is called, which values it takes, and what its value is made of. */
import * as Result from "effect/Result"
import * as BackupSchedule from "../BackupSchedule.ts"
import * as Retention from "../Retention.ts"
import type { VersionStrategy } from "../VersionStrategy.ts"

/** What the options are set to. */
export interface Values {
  /** The folder of the store, or a URL that names one; never empty. A relative one is the reader's to resolve. */
  readonly storagePath: string
  readonly versionStrategy: VersionStrategy
  /** Whether content is compressed; a number is how hard, from 1 to 22 as zstd counts. */
  readonly compression: boolean | number
  readonly backupFrequency: BackupSchedule.Frequency
  readonly retentionPolicy: Retention.Policy
  readonly indexType: "b-tree" | "hash"
}

/** What is wrong with a value, and what to write in its place. `index` is the item of a list that is wrong, from 0. */
export interface Wrong {
  readonly reason: string
  readonly expected: string
  readonly index?: number
}

export interface Option<A> {
  /** Its name in files; that of variables and flags follows from it. */
  readonly name: string
  /** Its values, for people. */
  readonly values: string
  /** The default, as it would be written. */
  readonly initial: string
  /** The value that plain YAML stands for. */
  readonly read: (raw: unknown) => Result.Result<A, Wrong>
  /** What YAML has for the text of a variable or flag, where that is no text. */
  readonly fromText?: (text: string) => unknown
}

export const table: { readonly [K in keyof Values]: Option<Values[K]> } = {
  storagePath: {
    name: "storage_path",
    values: "the path of a folder",
    initial: "./registry",
    read: (raw) =>
      typeof raw === "string" && raw.trim() !== ""
        ? Result.succeed(raw)
        : wrong(raw, "path", "write the path of a folder, as text")
  },
  versionStrategy: choice("version_strategy", "version strategy", ["incremental", "semantic", "content"]),
  compression: {
    name: "compression",
    values: "true, false, or a level from 1 to 22",
    initial: "true",
    read: (raw) =>
      typeof raw === "boolean" || (typeof raw === "number" && Number.isInteger(raw) && raw >= 1 && raw <= 22)
        ? Result.succeed(raw)
        : wrong(raw, "compression", "write true, false, or a level from 1 to 22, without quotes"),
    fromText: (text) => (/^(true|false)$/.test(text) ? text === "true" : /^\d+$/.test(text) ? Number(text) : text)
  },
  backupFrequency: {
    name: "backup_frequency",
    values: BackupSchedule.values,
    initial: "daily",
    read: (raw) =>
      typeof raw === "string"
        ? BackupSchedule.parse(raw)
        : wrong(raw, "backup frequency", `write ${BackupSchedule.values}`)
  },
  retentionPolicy: {
    name: "retention_policy",
    values: Retention.values,
    initial: "forever",
    read: (raw) => {
      if (typeof raw === "string") return Retention.parse(raw)
      const expected = `write ${Retention.values}`
      if (!Array.isArray(raw)) return wrong(raw, "retention policy", expected)
      const items: ReadonlyArray<unknown> = raw
      const index = items.findIndex((item) => typeof item !== "string")
      return index < 0
        ? Retention.parse(items as ReadonlyArray<string>)
        : Result.mapError(wrong(items[index], "retention policy", expected), (error) => ({ ...error, index }))
    }
  },
  indexType: choice("index_type", "index type", ["b-tree", "hash"])
}

/** The options in the order of the documentation. */
export const keys = Object.keys(table) as ReadonlyArray<keyof Values>

/** The environment variable of an option. */
export const variableOf = (key: keyof Values): string => `HEPH_${table[key].name.toUpperCase()}`

/** The flag of an option. */
export const flagOf = (key: keyof Values): string => `--${table[key].name.replaceAll("_", "-")}`

/** What YAML has for the text of a variable or flag. */
export const fromText = (key: keyof Values, text: string): unknown => table[key].fromText?.(text) ?? text

/** How a value is written, lists in one line. */
export const textOf = (raw: unknown): string => (Array.isArray(raw) ? raw.join(", ") : String(raw))

function choice<A extends string>(
  name: string,
  noun: string,
  among: readonly [first: A, ...rest: ReadonlyArray<A>]
): Option<A> {
  const values = `${among.slice(0, -1).join(", ")} or ${among.at(-1)}`
  return {
    name,
    values,
    initial: among[0],
    read: (raw) => {
      const found = among.find((value) => value === raw)
      return found === undefined ? wrong(raw, noun, `write ${values}`) : Result.succeed(found)
    }
  }
}

const wrong = (raw: unknown, noun: string, expected: string): Result.Result<never, Wrong> =>
  Result.fail({ reason: `${show(raw)} is no ${noun}`, expected })

const show = (raw: unknown): string => {
  if (raw === null) return "nothing"
  if (Array.isArray(raw)) return "a list"
  if (typeof raw === "object") return "a record"
  return typeof raw === "string" ? JSON.stringify(raw) : `${raw as number | boolean}`
}
