/** TypeScript of one module made into a script, whose value is a record of what the module exports. */
import { stripTypeScriptTypes } from "node:module"
import * as Result from "effect/Result"
import { MagicString } from "magic-string"
import { parseSync } from "oxc-parser"

/** A module as a script of JavaScript; its lines are those of the module. */
export interface Script {
  readonly code: string
  readonly exports: ReadonlyArray<string>
}

/**
 * The script of a module that stands for itself: it imports nothing but types, and exports by name. Fails with what is
 * wrong with the text.
 */
export const toScript = (source: string): Result.Result<Script, string> => {
  const { errors, module, program } = parseSync("module.ts", source, { lang: "ts", showSemanticErrors: true })
  const [error] = errors
  if (error !== undefined) return Result.fail(`${error.message}${placeOf(source, error.labels[0]?.start)}`)
  const edited = new MagicString(source)
  const exports = new Map<string, string>()
  for (const statement of program.body) {
    if (statement.type === "ImportDeclaration" && statement.importKind !== "type") {
      return Result.fail(`it imports ${statement.source.value}, and has to stand for itself`)
    }
    if (statement.type === "ExportAllDeclaration") {
      return Result.fail(`it exports what ${statement.source.value} has, and has to stand for itself`)
    }
    if (statement.type === "ExportDefaultDeclaration" || statement.type === "TSExportAssignment") {
      return Result.fail("it exports something without a name")
    }
    if (statement.type !== "ExportNamedDeclaration") continue
    if (statement.source !== null) {
      return Result.fail(`it exports what ${statement.source.value} has, and has to stand for itself`)
    }
    edited.remove(statement.start, statement.declaration?.start ?? statement.end)
  }
  if (module.dynamicImports.length > 0) return Result.fail("it imports while it runs, and has to stand for itself")
  for (const { entries } of module.staticExports) {
    for (const { exportName, isType, localName } of entries) {
      if (!isType && exportName.name !== null && localName.name !== null) exports.set(exportName.name, localName.name)
    }
  }
  const record = [...exports].map(([name, local]) => `${JSON.stringify(name)}: ${local}`).join(", ")
  return Result.map(strip(edited.toString()), (code) => ({
    // On one line with the first of the module, so that places in messages are right.
    code: `(() => { "use strict"; ${code}\n;return { ${record} } })()`,
    exports: [...exports.keys()]
  }))
}

/** Without types. What has no meaning without them, as an enum, is refused. */
export const strip = (source: string): Result.Result<string, string> =>
  Result.try({
    try: () => withoutWarning(() => stripTypeScriptTypes(source)),
    catch: (cause) => (cause instanceof Error ? cause.message : String(cause))
  })

/** Node warns of its own function once for each process, to people who have not called it. */
const withoutWarning = <A>(use: () => A): A => {
  const kept = Object.getOwnPropertyDescriptor(process, "emitWarning")!
  process.emitWarning = () => {}
  try {
    return use()
  } finally {
    Object.defineProperty(process, "emitWarning", kept)
  }
}

const placeOf = (source: string, start: number | undefined): string => {
  if (start === undefined) return ""
  const before = source.slice(0, start).split("\n")
  return ` (${before.length}:${(before.at(-1)?.length ?? 0) + 1})`
}
