import * as Hash from "@heph/content/Hash"
import * as Entry from "@heph/entry/Entry"
import type * as Compare from "@heph/implementations/Compare"
import type { FileInput, TestResult, Version } from "@heph/implementations/Implementation"

/** Files as a test writes them down: their text, their bytes, or what else is said of them. */
export interface Files {
  readonly [path: string]: string | Uint8Array | FileInput
}

const utf8 = new TextEncoder()

/** A version of these files, with whatever else the test is about. */
export const side = (
  files: Files,
  about: Partial<Version> = {},
  tests: ReadonlyArray<TestResult> = []
): Compare.Side => {
  const code = new Map<string, Uint8Array>()
  const list = Object.entries(files).map(([path, given]) => {
    const {
      content,
      executable = false,
      link = false
    } = typeof given === "string" || given instanceof Uint8Array ? { content: given } : given
    const bytes = typeof content === "string" ? utf8.encode(content) : content
    code.set(path, bytes)
    return { path, hash: Hash.of(bytes), size: bytes.length, executable, link }
  })
  const id = about.id ?? "shop.cart:1"
  return {
    version: {
      id,
      component: "shop.cart",
      version: "1",
      sequence: 1,
      parent: null,
      parents: [],
      generation: 0,
      hash: "",
      size: 0,
      files: list,
      language: null,
      status: "untested",
      tests: null,
      metrics: {},
      tags: [],
      author: null,
      generator: null,
      goal: null,
      message: null,
      context: null,
      imports: [],
      created: 0,
      fields: {},
      entry: Entry.makeUnsafe({ id, kind: "implementation" }),
      ...about
    },
    code,
    tests
  }
}

/** Tests by their outcome. */
export const results = (outcomes: { readonly [name: string]: TestResult["outcome"] }): ReadonlyArray<TestResult> =>
  Object.entries(outcomes).map(([name, outcome]) => ({ name, outcome }))
