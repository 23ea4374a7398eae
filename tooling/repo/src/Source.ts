/** TypeScript files, read with a parser: what they import, their comments, their calls. */
import { type Comment, parseSync, type Program, Visitor, type VisitorObject } from "oxc-parser"

export interface Import {
  readonly specifier: string
  readonly line: number
}

export interface Source {
  readonly imports: ReadonlyArray<Import>
  readonly comments: ReadonlyArray<Comment>
  readonly program: Program
  /** The line of an offset into the text, from 1. */
  readonly lineAt: (offset: number) => number
}

/** Parses a file; throws where it is no TypeScript. */
export const parse = (path: string, text: string): Source => {
  const { comments, errors, module, program } = parseSync(path, text, { lang: "ts", sourceType: "module" })
  if (errors[0] !== undefined) throw new Error(`${path}: ${errors[0].message}`)
  const lineAt = (offset: number) => text.slice(0, offset).split("\n").length
  const imports: Array<Import> = []
  for (const { moduleRequest } of module.staticImports) {
    imports.push({ specifier: moduleRequest.value, line: lineAt(moduleRequest.start) })
  }
  for (const { entries } of module.staticExports) {
    for (const { moduleRequest } of entries) {
      if (moduleRequest !== null) imports.push({ specifier: moduleRequest.value, line: lineAt(moduleRequest.start) })
    }
  }
  for (const { moduleRequest } of module.dynamicImports) {
    const literal = /^["'`]([^"'`$]+)["'`]$/.exec(text.slice(moduleRequest.start, moduleRequest.end))
    if (literal?.[1] !== undefined) imports.push({ specifier: literal[1], line: lineAt(moduleRequest.start) })
  }
  return { imports, comments, program, lineAt }
}

/** Calls back for the nodes of the kinds asked for. */
export const visit = (source: Source, visitor: VisitorObject): void => new Visitor(visitor).visit(source.program)

/** The package that a bare specifier names: `@heph/entry/Entry` is of `@heph/entry`. */
export const packageOf = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")

/** `a.b.c` as text where an expression is just names and dots, or nothing. */
export const dotted = (node: unknown): string | undefined => {
  const { name, object, property, type } = node as {
    readonly type: string
    readonly name?: string
    readonly object?: unknown
    readonly property?: { readonly name?: string }
  }
  if (type === "Identifier") return name
  if (type !== "MemberExpression") return undefined
  const left = dotted(object)
  return left === undefined || property?.name === undefined ? undefined : `${left}.${property.name}`
}
