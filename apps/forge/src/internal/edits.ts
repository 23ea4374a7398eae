/**
 * The edits of the built-in mutation: each changes one place of a program, or finds no place. What comes out is read
 * again before anybody sees it, so that an edit may try what does not always parse.
 *
 *     parameters   numbers
 *     expressions  operators · functions · replaced · wrapped · reduced · swapped
 *     statements   removed · repeated · moved · unwrapped · an early return
 *     recombined   an expression, a statement or a function of another program
 */
import type * as Random from "effect/Random"
import { MagicString } from "magic-string"
import type { Expression, Node, Statement } from "oxc-parser"
import { below, generate, happens, type Material, nearby, pick, pickWeighted, written } from "./expressions.ts"
import {
  bare,
  type Block,
  contains,
  declared,
  freeNames,
  isNumber,
  type Program,
  type Scope,
  type Site
} from "./program.ts"

/** A changed program, and what was changed, for people. */
export interface Edited {
  readonly source: string
  readonly what: string
}

export type Edit = (program: Program, random: Random.Random) => Edited | undefined

const shown = (text: string): string => {
  const line = text.replaceAll(/\s+/g, " ")
  return line.length > 60 ? `${line.slice(0, 59)}…` : line
}

const textOf = ({ source }: Program, { end, start }: Node): string => source.slice(start, end)

const replace = (
  program: Program,
  within: string,
  { end, start }: Pick<Node, "start" | "end">,
  text: string
): Edited => ({
  source: new MagicString(program.source).overwrite(start, end, text).toString(),
  what: `${within}: ${shown(program.source.slice(start, end))} → ${shown(text)}`
})

const material = ({ sites }: Program, { scope }: { readonly scope: Scope }, random: Random.Random): Material => ({
  random,
  scope,
  constants: sites.flatMap(({ node }) => (isNumber(node) ? [node.value] : []))
})

/** At one of the sites that something can be done with. */
const at = <A>(
  program: Program,
  random: Random.Random,
  applies: (site: Site) => A | undefined,
  edit: (site: Site, found: A) => string
): Edited | undefined => {
  const places = program.sites.flatMap((site) => {
    const found = applies(site)
    return found === undefined ? [] : [{ site, found }]
  })
  if (places.length === 0) return undefined
  const { found, site } = pick(random, places)
  return replace(program, site.within, site.node, edit(site, found))
}

const numbers: Edit = (program, random) =>
  at(
    program,
    random,
    ({ node }) => (isNumber(node) ? node.value : undefined),
    (_, value) => written(nearby(random, value))
  )

const groups: ReadonlyArray<ReadonlyArray<string>> = [
  ["+", "-", "*", "/"],
  ["<", "<=", ">", ">=", "===", "!=="],
  ["&&", "||"]
]

const operators: Edit = (program, random) =>
  at(
    program,
    random,
    ({ node }) => {
      if (node.type !== "BinaryExpression" && node.type !== "LogicalExpression") return undefined
      return groups.find((group) => group.includes(node.operator))
    },
    ({ node }, group) => {
      const { left, operator, right } = node as Expression & { readonly type: "BinaryExpression" }
      const other = pick(
        random,
        group.filter((one) => one !== operator)
      )
      return `${textOf(program, left)} ${other} ${textOf(program, right)}`
    }
  )

const functionGroups: ReadonlyArray<ReadonlyArray<string>> = [
  ["Math.min", "Math.max"],
  ["Math.abs", "Math.sqrt", "Math.cbrt", "Math.log1p", "Math.exp", "Math.sign"],
  ["Math.floor", "Math.ceil", "Math.round", "Math.trunc"]
]

const functions: Edit = (program, random) =>
  at(
    program,
    random,
    ({ node }) =>
      node.type === "CallExpression"
        ? functionGroups.find((group) => group.includes(textOf(program, node.callee)))
        : undefined,
    ({ node }, group) => {
      const { callee } = node as Expression & { readonly type: "CallExpression" }
      const other = pick(
        random,
        group.filter((one) => one !== textOf(program, callee))
      )
      return other + program.source.slice(callee.end, node.end)
    }
  )

const replaced: Edit = (program, random) =>
  at(
    program,
    random,
    () => true,
    (site) => generate(material(program, site, random), site.kind, 1 + below(random, 2))
  )

/** Where a text stands alone, it needs no parentheses; inside another expression it may. */
const wrapped: Edit = (program, random) =>
  at(
    program,
    random,
    () => true,
    (site) => {
      const old = textOf(program, site.node)
      const from = material(program, site, random)
      if (site.kind === "boolean") {
        return happens(random, 0.2)
          ? `!(${old})`
          : `((${old}) ${pick(random, ["&&", "||"])} ${generate(from, "boolean", 1)})`
      }
      const other = generate(from, "number", 1)
      switch (pickWeighted(random, [["binary", 4] as const, ["bound", 1] as const, ["choice", 4] as const])) {
        case "binary":
          return `((${old}) ${pick(random, ["+", "-", "*", "/"])} ${other})`
        case "bound":
          return `Math.${pick(random, ["min", "max"])}(${old}, ${other})`
        case "choice": {
          const test = generate(from, "boolean", 1)
          return happens(random, 0.5) ? `(${test} ? ${old} : ${other})` : `(${test} ? ${other} : ${old})`
        }
      }
    }
  )

/** A part of an expression in place of the whole. */
const reduced: Edit = (program, random) => {
  const partsOf = ({ kind, node }: Site) =>
    program.sites.filter((part) => part.kind === kind && part.node !== node && contains(node, part.node))
  return at(
    program,
    random,
    (site) => {
      const parts = partsOf(site)
      // What a function inside binds means nothing outside of it.
      const whole = parts.filter(({ node }) => [...freeNames(node)].every((name) => isKnown(site.scope, name)))
      return whole.length === 0 ? undefined : whole
    },
    (_, parts) => `(${textOf(program, pick(random, parts).node)})`
  )
}

/** The two sides of an operator, or the two branches of a choice. */
const swapped: Edit = (program, random) =>
  at(
    program,
    random,
    ({ node }) => {
      if (node.type === "BinaryExpression") return [node.left, node.operator, node.right] as const
      return node.type === "ConditionalExpression" ? ([node.consequent, ":", node.alternate] as const) : undefined
    },
    ({ node }, [first, between, second]) => {
      const before = program.source.slice(node.start, first.start)
      return `${before}${textOf(program, second)} ${between} ${textOf(program, first)}`
    }
  )

/** At one of the statements that something can be done with. */
const atStatement = (
  program: Program,
  random: Random.Random,
  edit: (statement: Statement, index: number, block: Block) => (() => string) | undefined
): Edited | undefined => {
  const places = program.blocks.flatMap((block) =>
    block.statements.flatMap((statement, index) => {
      const change = edit(statement, index, block)
      return change === undefined ? [] : [{ statement, within: block.within, change }]
    })
  )
  if (places.length === 0) return undefined
  const { change, statement, within } = pick(random, places)
  return replace(program, within, statement, change())
}

const isLeaving = ({ type }: Statement): boolean => type === "ReturnStatement" || type === "ThrowStatement"

/** Not what ends a function, and nothing whose names are used. */
const removed: Edit = (program, random) =>
  atStatement(program, random, (statement, index, { statements }) => {
    const isLast = index === statements.length - 1
    if (statement.type === "EmptyStatement" || (isLast && isLeaving(statement))) return undefined
    const isUsed = declared(statement).some((name) => program.references.includes(name))
    return isUsed ? undefined : () => ";"
  })

const repeated: Edit = (program, random) =>
  atStatement(program, random, (statement) => {
    if (statement.type !== "ExpressionStatement" && statement.type !== "IfStatement") return undefined
    return () => `${textOf(program, statement)}\n${textOf(program, statement)}`
  })

/** A statement behind the one after it, where neither needs what the other declares. */
const moved: Edit = (program, random) => {
  const places = program.blocks.flatMap(({ statements, within }) =>
    statements.slice(0, -1).flatMap((first, i) => {
      const second = statements[i + 1]!
      const isBound =
        declared(first).some((name) => freeNames(second).has(name)) || isLeaving(first) || isLeaving(second)
      return isBound ? [] : [{ first, second, within }]
    })
  )
  if (places.length === 0) return undefined
  const { first, second, within } = pick(random, places)
  const text = `${textOf(program, second)}\n${textOf(program, first)}`
  return replace(program, within, { start: first.start, end: second.end }, text)
}

/** One branch in place of an `if`, or its branches the other way round. */
const unwrapped: Edit = (program, random) =>
  atStatement(program, random, (statement) => {
    if (statement.type !== "IfStatement") return undefined
    const { alternate, consequent, test } = statement
    if (alternate === null) return () => textOf(program, consequent)
    return () =>
      pick(random, [
        textOf(program, consequent),
        textOf(program, alternate),
        `if (${textOf(program, test)}) ${blocked(textOf(program, alternate))} else ${blocked(textOf(program, consequent))}`
      ])
  })

const blocked = (statement: string): string => (statement.startsWith("{") ? statement : `{ ${statement} }`)

const returning: Edit = (program, random) =>
  atStatement(program, random, (statement, index, { returns, scopes }) => {
    if (returns === undefined) return undefined
    return () => {
      const from = material(program, { scope: scopes[index]! }, random)
      return `if ${inParentheses(generate(from, "boolean", 1))} return ${generate(from, returns, 1)}\n${textOf(program, statement)}`
    }
  })

const inParentheses = (text: string): string => (text.startsWith("(") ? text : `(${text})`)

const globals = new Set(["Math", "Number", "Infinity", "NaN", "undefined"])
const isKnown = (scope: Scope, name: string): boolean => scope.names.has(name) || globals.has(name)

/** An expression of another program in place of one of the same kind, where all its names mean something. */
const graftedExpression =
  (other: Program): Edit =>
  (program, random) =>
    at(
      program,
      random,
      (site) => {
        const donors = other.sites.filter(
          ({ kind, node }) =>
            kind === site.kind &&
            bare(node) === node &&
            !isNumber(node) &&
            node.type !== "Identifier" &&
            textOf(other, node) !== textOf(program, site.node) &&
            [...freeNames(node)].every((name) => isKnown(site.scope, name))
        )
        return donors.length === 0 ? undefined : donors
      },
      (site, donors) => {
        const donor = `(${textOf(other, pick(random, donors).node)})`
        if (site.kind === "boolean" || happens(random, 0.6)) return donor
        const old = textOf(program, site.node)
        const from = material(program, site, random)
        return happens(random, 0.5)
          ? `(${generate(from, "boolean", 1)} ? ${old} : ${donor})`
          : `((${old}) ${pick(random, ["+", "-", "*"])} ${donor})`
      }
    )

/** A statement of another program before one of this, where its names mean something and it declares none that is there. */
const graftedStatement =
  (other: Program): Edit =>
  (program, random) =>
    atStatement(program, random, (statement, index, { scopes, returns }) => {
      const scope = scopes[index]!
      const donors = other.blocks.flatMap((block) =>
        block.returns !== returns
          ? []
          : block.statements.filter(
              (donor) =>
                ["IfStatement", "ExpressionStatement", "VariableDeclaration"].includes(donor.type) &&
                declared(donor).every((name) => !program.references.includes(name) && !scope.names.has(name)) &&
                [...freeNames(donor)].every((name) => isKnown(scope, name))
            )
      )
      if (donors.length === 0) return undefined
      return () => `${textOf(other, pick(random, donors))}\n${textOf(program, statement)}`
    })

/** A function of another program in place of the one of the same name. */
const graftedFunction =
  (other: Program): Edit =>
  (program, random) => {
    const places = program.functions.flatMap(({ name, node }) => {
      const donor = other.functions.find((one) => one.name === name)
      if (donor === undefined || donor.node.type !== node.type) return []
      const text = textOf(other, donor.node)
      const isSame = text === textOf(program, node)
      const known = new Set(program.functions.map((one) => one.name))
      const isWhole = [...freeNames(donor.node)].every((free) => known.has(free) || globals.has(free))
      return isSame || !isWhole ? [] : [{ name, node, text }]
    })
    if (places.length === 0) return undefined
    const { name, node, text } = pick(random, places)
    return replace(program, name, node, text)
  }

/** The edits of one program by what they are called, with how often each is tried. */
export const own: ReadonlyArray<readonly [name: string, edit: Edit, weight: number]> = [
  ["numbers", numbers, 5],
  ["operators", operators, 1.5],
  ["functions", functions, 1],
  ["replaced", replaced, 4],
  ["wrapped", wrapped, 4],
  ["reduced", reduced, 2],
  ["swapped", swapped, 1],
  ["removed", removed, 1],
  ["repeated", repeated, 0.3],
  ["moved", moved, 0.3],
  ["unwrapped", unwrapped, 1],
  ["returning", returning, 1.5]
]

/** The edits that take something of another program. */
export const recombining = (other: Program): ReadonlyArray<readonly [name: string, edit: Edit, weight: number]> => [
  ["expression", graftedExpression(other), 4],
  ["statement", graftedStatement(other), 1],
  ["function", graftedFunction(other), 1]
]
