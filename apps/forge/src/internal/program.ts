/**
 * What there is to change in a program: its expressions that are numbers or truth values, with the names that mean
 * something where they stand, and its lists of statements.
 *
 * Kinds come from annotations, from literals and operators, and from what an expression is used for. What stays
 * unknown is left alone.
 */
import * as Result from "effect/Result"
import { MagicString } from "magic-string"
import {
  type ArrowFunctionExpression,
  type BindingPattern,
  type Expression,
  type Function as FunctionNode,
  type Node,
  type ParamPattern,
  parseSync,
  type Program as Ast,
  type Statement,
  type TSType,
  visitorKeys
} from "oxc-parser"

export type Kind = "number" | "boolean"

/** What an expression can be made of at some place. */
export interface Scope {
  /** Every name that is bound there. */
  readonly names: ReadonlyMap<string, Kind | undefined>
  /** Names and members by their kind: `item`, `city.cost`, `items.length`. */
  readonly atoms: { readonly [K in Kind]: ReadonlyArray<string> }
}

/** An expression that may be replaced by another of its kind. */
export interface Site {
  readonly kind: Kind
  readonly node: Expression
  readonly scope: Scope
  /** The function of the module that it stands in. */
  readonly within: string
}

/** The statements of a block, with what is bound before each. */
export interface Block {
  readonly statements: ReadonlyArray<Statement>
  readonly scopes: ReadonlyArray<Scope>
  /** What the function around it returns. */
  readonly returns: Kind | undefined
  readonly within: string
}

/** A function of the module, by its name there. */
export interface Named {
  readonly name: string
  /** With its parameters. */
  readonly node: Node
}

export interface Program {
  readonly source: string
  readonly sites: ReadonlyArray<Site>
  readonly blocks: ReadonlyArray<Block>
  readonly functions: ReadonlyArray<Named>
  /** The names of every reference, as often as there are. */
  readonly references: ReadonlyArray<string>
}

/** Reads a program; fails with what is wrong with its text. */
export const parse = (source: string): Result.Result<Program, string> => {
  const { errors, program } = parseSync("program.ts", source, { lang: "ts", showSemanticErrors: true })
  const [error] = errors
  return error === undefined ? Result.succeed(survey(source, program)) : Result.fail(error.message)
}

/** The names that a part of a program takes from around it. */
export const freeNames = (part: Node): ReadonlySet<string> => {
  const bound = new Set<string>()
  const used = new Set<string>()
  eachReference(part, bound, (name) => used.add(name))
  return new Set([...used].filter((name) => !bound.has(name)))
}

/** The names that a statement declares for those after it. */
export const declared = (statement: Node): ReadonlyArray<string> => {
  if (statement.type === "VariableDeclaration") return statement.declarations.flatMap(({ id }) => boundBy(id))
  return statement.type === "FunctionDeclaration" && statement.id !== null ? [statement.id.name] : []
}

/** Whether one part is inside another, or is the other. */
export const contains = (outer: Node, inner: Node): boolean => outer.start <= inner.start && inner.end <= outer.end

/** Whether an expression is a number as it is written. */
export const isNumber = (node: Expression): node is Expression & { readonly type: "Literal"; readonly value: number } =>
  node.type === "Literal" && typeof node.value === "number"

/** What stands in parentheses, or the expression itself. */
export const bare = (expression: Expression): Expression =>
  expression.type === "ParenthesizedExpression" ? bare(expression.expression) : expression

/**
 * The text without parentheses that say nothing, without empty statements, and without comments, which are about what the
 * program was.
 */
export const tidy = (source: string): string => {
  const { comments, program } = parseSync("program.ts", source, { lang: "ts" })
  const edited = new MagicString(source)
  const cut = (start: number, end: number): void => {
    // What stood apart stays apart: `return(a)` is no `returna`.
    const isBetweenWords = /\w|\$/.test(source[start - 1] ?? "") && /\w|\$|\(|-/.test(source[end] ?? "")
    edited.overwrite(start, end, isBetweenWords ? " " : "")
  }
  for (const { end, start } of comments) cut(start, end)
  const visit = (node: Node, parent: Node): void => {
    if (node.type === "EmptyStatement" && (parent.type === "BlockStatement" || parent.type === "Program")) {
      cut(node.start, node.end)
    }
    // Of several around one another only the outermost may be needed.
    if (node.type === "ParenthesizedExpression" && (standsAlone(parent, node) || isSimple(bare(node)))) {
      cut(node.start, node.start + 1)
      cut(node.end - 1, node.end)
    }
    for (const child of childrenOf(node)) visit(child, node)
  }
  for (const statement of program.body) visit(statement, program)
  const text = edited.toString()
  // Lines of a template are not for tidying.
  return text.includes("`")
    ? text
    : `${text
        .replaceAll(/[ \t]+$/gm, "")
        .replaceAll(/\n{2,}/g, "\n")
        .trim()}\n`
}

/** What needs no parentheses wherever it stands. */
const isSimple = (node: Expression): boolean =>
  node.type === "Identifier" ||
  node.type === "MemberExpression" ||
  node.type === "CallExpression" ||
  (node.type === "Literal" && typeof node.value === "boolean")

/** Whether an expression has its place to itself, so that parentheses around it change nothing. */
const standsAlone = (parent: Node, child: Node): boolean => {
  // Before a dot a number would take it for its own.
  if (child.type === "ParenthesizedExpression" && isNumber(bare(child))) return parent.type !== "MemberExpression"
  switch (parent.type) {
    case "ParenthesizedExpression":
    case "ReturnStatement":
      return true
    case "CallExpression":
      return parent.callee !== child && isExpression(child)
    case "VariableDeclarator":
      return parent.init === child
    case "ArrowFunctionExpression":
      return (
        parent.body === child &&
        child.type === "ParenthesizedExpression" &&
        child.expression.type !== "ObjectExpression"
      )
    default:
      return false
  }
}

const empty: Scope = { names: new Map(), atoms: { number: [], boolean: [] } }

/** Functions of `Math` that give a number, and those of its members that are numbers: all there are. */
const mathCall = /^Math\.\w+$/
const arithmetic = new Set(["-", "*", "/", "%", "**"])
const comparison = new Set(["<", "<=", ">", ">=", "==", "!=", "===", "!=="])

const survey = (source: string, ast: Ast): Program => {
  const types = new Map<string, TSType | ReadonlyArray<Node>>()
  const sites: Array<Site> = []
  const blocks: Array<Block> = []
  const functions: Array<Named> = []
  const references: Array<string> = []

  const textOf = ({ end, start }: Node): string => source.slice(start, end)

  const kindOfType = (type: TSType | undefined): Kind | undefined =>
    type?.type === "TSNumberKeyword" ? "number" : type?.type === "TSBooleanKeyword" ? "boolean" : undefined

  /** The members of a record type, one level deep. */
  const membersOf = (type: TSType): ReadonlyArray<Node> => {
    if (type.type === "TSTypeLiteral") return type.members
    if (type.type !== "TSTypeReference" || type.typeName.type !== "Identifier") return []
    const known = types.get(type.typeName.name)
    if (known === undefined) return []
    return Array.isArray(known) ? (known as ReadonlyArray<Node>) : membersOf(known as TSType)
  }

  const isList = (type: TSType): boolean =>
    type.type === "TSArrayType" ||
    (type.type === "TSTypeOperator" && isList(type.typeAnnotation)) ||
    (type.type === "TSTypeReference" && /^(?:Readonly)?Array</.test(textOf(type)))

  const bindName = (scope: Scope, name: string, type: TSType | undefined, kind: Kind | undefined): Scope => {
    const own: { number: Array<string>; boolean: Array<string> } = { number: [], boolean: [] }
    const known = kindOfType(type) ?? kind
    if (known !== undefined) own[known].push(name)
    if (type !== undefined && isList(type)) own.number.push(`${name}.length`)
    for (const member of type === undefined ? [] : membersOf(type)) {
      if (member.type !== "TSPropertySignature" || member.key.type !== "Identifier" || member.optional) continue
      const memberKind = kindOfType(member.typeAnnotation?.typeAnnotation)
      if (memberKind !== undefined) own[memberKind].push(`${name}.${member.key.name}`)
    }
    const kept = (atoms: ReadonlyArray<string>) => atoms.filter((atom) => atom !== name && !atom.startsWith(`${name}.`))
    return {
      names: new Map(scope.names).set(name, known),
      atoms: {
        number: [...kept(scope.atoms.number), ...own.number],
        boolean: [...kept(scope.atoms.boolean), ...own.boolean]
      }
    }
  }

  const bind = (scope: Scope, pattern: BindingPattern, type: TSType | undefined, kind: Kind | undefined): Scope => {
    if (pattern.type === "AssignmentPattern") return bind(scope, pattern.left, typeOf(pattern.left) ?? type, kind)
    if (pattern.type === "Identifier") return bindName(scope, pattern.name, typeOf(pattern) ?? type, kind)
    let bound = scope
    const members = new Map<string, TSType>()
    const whole = typeOf(pattern) ?? type
    for (const member of whole === undefined ? [] : membersOf(whole)) {
      if (member.type !== "TSPropertySignature" || member.key.type !== "Identifier") continue
      if (member.typeAnnotation !== null) members.set(member.key.name, member.typeAnnotation.typeAnnotation)
    }
    if (pattern.type === "ObjectPattern") {
      for (const property of pattern.properties) {
        if (
          property.type === "Property" &&
          property.key.type === "Identifier" &&
          property.value.type === "Identifier"
        ) {
          bound = bindName(bound, property.value.name, members.get(property.key.name), undefined)
        } else for (const name of boundBy(property)) bound = bindName(bound, name, undefined, undefined)
      }
      return bound
    }
    for (const name of boundBy(pattern)) bound = bindName(bound, name, undefined, undefined)
    return bound
  }

  const kindOf = (expression: Expression, scope: Scope): Kind | undefined => {
    switch (expression.type) {
      case "Literal":
        return typeof expression.value === "number"
          ? "number"
          : typeof expression.value === "boolean"
            ? "boolean"
            : undefined
      case "Identifier":
        return scope.names.get(expression.name)
      case "ParenthesizedExpression":
        return kindOf(expression.expression, scope)
      case "TSAsExpression":
      case "TSSatisfiesExpression":
        return kindOfType(expression.typeAnnotation) ?? kindOf(expression.expression, scope)
      case "TSNonNullExpression":
        return kindOf(expression.expression, scope)
      case "UnaryExpression":
        return expression.operator === "!" ? "boolean" : "-+~".includes(expression.operator) ? "number" : undefined
      case "BinaryExpression": {
        if (comparison.has(expression.operator)) return "boolean"
        if (arithmetic.has(expression.operator)) return "number"
        if (expression.operator !== "+") return undefined
        const [left, right] = [kindOf(expression.left, scope), kindOf(expression.right, scope)]
        return left === "number" && right === "number" ? "number" : undefined
      }
      case "LogicalExpression": {
        const left = kindOf(expression.left, scope)
        return left === kindOf(expression.right, scope) ? left : undefined
      }
      case "ConditionalExpression": {
        const kind = kindOf(expression.consequent, scope)
        return kind === kindOf(expression.alternate, scope) ? kind : undefined
      }
      case "CallExpression":
        return mathCall.test(textOf(expression.callee)) ? "number" : undefined
      case "MemberExpression": {
        const text = textOf(expression)
        if (scope.atoms.number.includes(text) || mathCall.test(text) || text.endsWith(".length")) return "number"
        return scope.atoms.boolean.includes(text) ? "boolean" : undefined
      }
      default:
        return undefined
    }
  }

  /** `wanted` is what the place asks for, where that is known. */
  const visitExpression = (expression: Expression, scope: Scope, within: string, wanted: Kind | undefined): void => {
    const kind = kindOf(expression, scope) ?? wanted
    if (expression.type === "ParenthesizedExpression")
      return visitExpression(expression.expression, scope, within, kind)
    if (kind !== undefined && within !== "") sites.push({ kind, node: expression, scope, within })
    const visit = (child: Expression, wanted?: Kind): void => visitExpression(child, scope, within, wanted)
    switch (expression.type) {
      case "BinaryExpression": {
        const [left, right] = [expression.left as Expression, expression.right]
        const isOrder =
          comparison.has(expression.operator) && [left, right].some((side) => kindOf(side, scope) === "number")
        const side = isOrder || arithmetic.has(expression.operator) || kind === "number" ? "number" : undefined
        visit(left, side)
        return visit(right, side)
      }
      case "LogicalExpression":
        visit(expression.left, kind)
        return visit(expression.right, kind)
      case "UnaryExpression":
        return visit(expression.argument, kind)
      case "ConditionalExpression":
        visit(expression.test, "boolean")
        visit(expression.consequent, kind)
        return visit(expression.alternate, kind)
      case "CallExpression": {
        const isMath = mathCall.test(textOf(expression.callee))
        if (!isMath && expression.callee.type !== "Identifier") visitNode(expression.callee, scope, within)
        for (const argument of expression.arguments) {
          if (argument.type === "SpreadElement") visit(argument.argument)
          else visit(argument, isMath ? "number" : undefined)
        }
        return
      }
      case "AssignmentExpression":
        return visit(
          expression.right,
          expression.left.type === "Identifier" ? scope.names.get(expression.left.name) : undefined
        )
      case "MemberExpression":
        visit(expression.object)
        return expression.computed ? visit(expression.property) : undefined
      case "TSAsExpression":
      case "TSSatisfiesExpression":
      case "TSNonNullExpression":
        return visit(expression.expression, kind)
      case "UpdateExpression":
      case "Identifier":
      case "Literal":
        return
      case "ArrowFunctionExpression":
      case "FunctionExpression":
        return visitFunction(expression, scope, within)
      default:
        return visitChildren(expression, scope, within)
    }
  }

  const visitFunction = (node: FunctionNode | ArrowFunctionExpression, scope: Scope, within: string): void => {
    let inner = scope
    for (const parameter of node.params as ReadonlyArray<ParamPattern>) {
      if (parameter.type === "TSParameterProperty") continue
      if (parameter.type === "RestElement") inner = bind(inner, parameter.argument, undefined, undefined)
      else {
        if (parameter.type === "AssignmentPattern") visitExpression(parameter.right, inner, within, undefined)
        inner = bind(inner, parameter, undefined, undefined)
      }
    }
    const returns = kindOfType(node.returnType?.typeAnnotation)
    if (node.body === null) return
    if (node.body.type === "BlockStatement") visitStatements(node.body.body, inner, within, returns)
    else visitExpression(node.body, inner, within, returns)
  }

  const visitStatements = (
    statements: ReadonlyArray<Statement>,
    scope: Scope,
    within: string,
    returns: Kind | undefined
  ): Scope => {
    const scopes: Array<Scope> = []
    let bound = scope
    for (const statement of statements) {
      scopes.push(bound)
      bound = visitStatement(statement, bound, within, returns)
    }
    if (within !== "") blocks.push({ statements, scopes, returns, within })
    return bound
  }

  /** Gives what is bound for the statements after it. */
  const visitStatement = (statement: Statement, scope: Scope, within: string, returns: Kind | undefined): Scope => {
    const inside = (child: Statement | null): void => {
      if (child !== null) visitStatement(child, scope, within, returns)
    }
    switch (statement.type) {
      case "ExportNamedDeclaration":
        return statement.declaration === null ? scope : visitStatement(statement.declaration, scope, within, returns)
      case "VariableDeclaration": {
        let bound = scope
        for (const { id, init } of statement.declarations) {
          const type = typeOf(id)
          const kind = init === null ? undefined : kindOf(init, bound)
          const isFunction = init?.type === "ArrowFunctionExpression" || init?.type === "FunctionExpression"
          if (isFunction && within === "" && id.type === "Identifier") {
            functions.push({ name: id.name, node: init })
            visitFunction(init, bound, id.name)
          } else if (init !== null) visitExpression(init, bound, within, kindOfType(type))
          bound = bind(bound, id, type, kind)
        }
        return bound
      }
      case "FunctionDeclaration": {
        const name = statement.id?.name ?? ""
        const inner = bindName(scope, name, undefined, undefined)
        if (within === "") functions.push({ name, node: statement })
        visitFunction(statement, inner, within === "" ? name : within)
        return inner
      }
      case "BlockStatement":
        visitStatements(statement.body, scope, within, returns)
        return scope
      case "ReturnStatement":
        if (statement.argument !== null) visitExpression(statement.argument, scope, within, returns)
        return scope
      case "IfStatement":
        visitExpression(statement.test, scope, within, "boolean")
        inside(statement.consequent)
        inside(statement.alternate)
        return scope
      case "WhileStatement":
      case "DoWhileStatement":
        visitExpression(statement.test, scope, within, "boolean")
        inside(statement.body)
        return scope
      case "ForStatement": {
        // What a loop begins with and how it goes on stays: changed, it most often never ends.
        const inner = statement.init?.type === "VariableDeclaration" ? visitQuietly(statement.init, scope) : scope
        visitStatement(statement.body, inner, within, returns)
        return scope
      }
      case "ForOfStatement": {
        let inner = scope
        if (statement.left.type === "VariableDeclaration") {
          for (const { id } of statement.left.declarations) inner = bind(inner, id, undefined, undefined)
        }
        visitExpression(statement.right, scope, within, undefined)
        visitStatement(statement.body, inner, within, returns)
        return scope
      }
      case "ExpressionStatement":
        visitExpression(statement.expression, scope, within, undefined)
        return scope
      case "TSInterfaceDeclaration":
      case "TSTypeAliasDeclaration":
        return scope
      default:
        visitChildren(statement, scope, within)
        return scope
    }
  }

  const visitQuietly = (statement: Statement, scope: Scope): Scope => {
    const [keptSites, keptBlocks] = [sites.length, blocks.length]
    const bound = visitStatement(statement, scope, "", undefined)
    sites.length = keptSites
    blocks.length = keptBlocks
    return bound
  }

  const visitNode = (node: Node, scope: Scope, within: string): void => {
    if (isStatement(node)) visitStatement(node, scope, within, undefined)
    else if (isExpression(node)) visitExpression(node, scope, within, undefined)
    else visitChildren(node, scope, within)
  }

  const visitChildren = (node: Node, scope: Scope, within: string): void => {
    for (const child of childrenOf(node)) visitNode(child, scope, within)
  }

  for (const statement of ast.body) {
    const own = statement.type === "ExportNamedDeclaration" ? statement.declaration : statement
    if (own?.type === "TSInterfaceDeclaration") types.set(own.id.name, own.body.body)
    if (own?.type === "TSTypeAliasDeclaration") types.set(own.id.name, own.typeAnnotation)
  }
  visitStatements(ast.body, empty, "", undefined)
  eachReference(ast, new Set(), (name) => references.push(name))
  return { source, sites, blocks, functions, references }
}

const typeOf = (pattern: BindingPattern): TSType | undefined =>
  "typeAnnotation" in pattern ? pattern.typeAnnotation?.typeAnnotation : undefined

const boundBy = (pattern: Node): ReadonlyArray<string> => {
  switch (pattern.type) {
    case "Identifier":
      return [pattern.name]
    case "AssignmentPattern":
      return boundBy(pattern.left)
    case "RestElement":
      return boundBy(pattern.argument)
    case "Property":
      return boundBy(pattern.value)
    default:
      return childrenOf(pattern).flatMap((child) => boundBy(child))
  }
}

const childrenOf = (node: Node): ReadonlyArray<Node> => {
  const found: Array<Node> = []
  for (const key of visitorKeys[node.type] ?? []) {
    const value: unknown = Reflect.get(node, key)
    for (const child of Array.isArray(value) ? (value as ReadonlyArray<unknown>) : [value]) {
      if (typeof child === "object" && child !== null) found.push(child as Node)
    }
  }
  return found
}

/** Calls back for every name that refers to something, and adds what is bound on the way to `bound`. Types are left out. */
const eachReference = (node: Node, bound: Set<string>, found: (name: string) => void): void => {
  const visit = (child: Node): void => eachReference(child, bound, found)
  const bindAll = (pattern: Node): void => {
    for (const name of boundBy(pattern)) bound.add(name)
  }
  switch (node.type) {
    case "Identifier":
      return found(node.name)
    case "MemberExpression":
      visit(node.object)
      return node.computed ? visit(node.property) : undefined
    case "Property":
      if (node.computed) visit(node.key)
      return visit(node.value)
    case "VariableDeclarator":
      bindAll(node.id)
      return node.init === null ? undefined : visit(node.init)
    case "FunctionDeclaration":
    case "FunctionExpression":
    case "ArrowFunctionExpression":
      if (node.id !== null) bindAll(node.id)
      for (const parameter of node.params) {
        bindAll(parameter)
        if (parameter.type === "AssignmentPattern") visit(parameter.right)
      }
      return node.body === null ? undefined : visit(node.body)
    case "TSAsExpression":
    case "TSSatisfiesExpression":
    case "TSNonNullExpression":
      return visit(node.expression)
    default:
      if (!node.type.startsWith("TS")) for (const child of childrenOf(node)) visit(child)
  }
}

const isStatement = (node: Node): node is Statement =>
  /(?:Statement|Declaration)$/.test(node.type) && !node.type.startsWith("TS")

const isExpression = (node: Node): node is Expression =>
  /Expression$|^(?:Identifier|Literal|TemplateLiteral)$/.test(node.type) && !node.type.startsWith("TS")
