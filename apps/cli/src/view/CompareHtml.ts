/**
 * A comparison of two versions as one page that needs nothing else: no network, no script. Light or dark as the reader's
 * system is; the two sides stand beside each other, and on a narrow screen below each other.
 *
 * Whatever a comparison holds may have been written by anybody. All of it gets into the page through {@link markup}, which
 * escapes it, and the page allows itself no script.
 */
import * as Compare from "@heph/implementations/Compare"
import { printable } from "../Output.ts"
import * as Words from "../Words.ts"
import * as Tables from "./CompareTables.ts"

export interface Options {
  /** What stands above all; the ids of the two versions where it is left out. */
  readonly title?: string | undefined
}

/** As many rows of a file's diff are in the page: one with more is slow to open. */
export const mostRows = 10_000

/** A file with more rows is closed until it is clicked. */
const openRows = 1000

/** So many rows are put together before they are handed over. */
const rowsAtOnce = 500

/** The page in pieces, so that a long one is written as it is made. */
export function* render(comparison: Compare.Comparison, options?: Options): Generator<string, void> {
  const { files, from, to } = comparison
  const title = options?.title ?? `${from} → ${to}`
  yield markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${css}</style>
</head>
<body>
<header>
<h1>${title}</h1>
<p>${Tables.summary(comparison)}</p>
</header>
<main>
${metricsHtml(comparison)}${testsHtml(comparison)}${metadataHtml(comparison)}${contentsHtml(files)}`.text
  for (const [i, file] of files.entries()) yield* fileHtml(file, i, comparison)
  yield "</main>\n</body>\n</html>\n"
}

/** Text that is markup, every part of which was escaped. */
class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

const nothing = new Markup("")

/** The only way into the page: markup as it stands in this file, and whatever is put between as text. */
const markup = (
  strings: TemplateStringsArray,
  ...parts: ReadonlyArray<string | number | Markup | ReadonlyArray<Markup>>
): Markup => {
  let text = strings[0]!
  parts.forEach((part, i) => {
    if (part instanceof Markup) text += part.text
    else if (typeof part === "object") for (const one of part) text += one.text
    else text += escape(String(part))
    text += strings[i + 1]!
  })
  return new Markup(text)
}

const entities: { readonly [character: string]: string } = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

/** Control characters are spelled out: some of them no page may hold, others turn the text around. */
const escape = (text: string): string =>
  printable(text.toWellFormed()).replace(/[&<>"']/g, (character) => entities[character]!)

const section = (id: string, name: string, body: Markup): Markup =>
  markup`<section aria-labelledby="${id}">
<h2 id="${id}">${name}</h2>
${body}</section>
`

const table = (titles: ReadonlyArray<Markup>, rows: ReadonlyArray<Markup>): Markup =>
  markup`<div class="wide"><table>
<thead><tr>${titles}</tr></thead>
<tbody>
${rows}</tbody>
</table></div>
`

const column = (title: string): Markup => markup`<th scope="col">${title}</th>`

const metricsHtml = (comparison: Compare.Comparison): Markup => {
  const rows = Tables.metrics(comparison).map(({ change, delta, from, metric, to }) => {
    const cells = [from, to, delta, change].map((cell) => markup`<td class="n">${cell}</td>`)
    return markup`<tr><th scope="row">${metric}</th>${cells}</tr>\n`
  })
  if (rows.length === 0) return nothing
  const numbers = ["From", "To", "Delta", "Change"].map((title) => markup`<th scope="col" class="n">${title}</th>`)
  return section("metrics", "Metrics", table([column("Metric"), ...numbers], rows))
}

const testsHtml = (comparison: Compare.Comparison): Markup => {
  const counts = Tables.testCounts(comparison)
  if (counts === "") return nothing
  const rows = Tables.tests(comparison).map(({ isNew, name, what }) => {
    const test = markup`<th scope="row">${name}${isNew ? " (new)" : ""}</th>`
    return markup`<tr>${test}<td class="${what.replace(" ", "-")}">${what}</td></tr>\n`
  })
  const body = rows.length === 0 ? nothing : table(["Test", "What became of it"].map(column), rows)
  return section("tests", "Tests", markup`<p>${counts}</p>\n${body}`)
}

const metadataHtml = (comparison: Compare.Comparison): Markup => {
  const rows = Tables.metadata(comparison).map(
    ({ field, from, to }) => markup`<tr><th scope="row">${field}</th><td>${from}</td><td>${to}</td></tr>\n`
  )
  return rows.length === 0 ? nothing : section("metadata", "Metadata", table(["Field", "From", "To"].map(column), rows))
}

const contentsHtml = (files: ReadonlyArray<Compare.FileChange>): Markup => {
  if (files.length === 0) return nothing
  const links = files.map(
    (file, i) => markup`<li><a href="#file-${i + 1}">${Tables.pathOf(file)}</a>${badgesHtml(file)}</li>\n`
  )
  return markup`<h2 id="files">Files</h2>
<nav aria-labelledby="files"><ul>
${links}</ul></nav>
`
}

const badgesHtml = ({ added, removed, status }: Compare.FileChange): ReadonlyArray<Markup> => [
  markup` <span class="badge ${status}">${status}</span>`,
  ...(added === 0 ? [] : [markup` <span class="added">+${added}</span>`]),
  ...(removed === 0 ? [] : [markup` <span class="removed">−${removed}</span>`])
]

function* fileHtml(file: Compare.FileChange, i: number, { from, to }: Compare.Comparison): Generator<string, void> {
  const hunks = Compare.hunks(file)
  const count = hunks.reduce((sum, { rows }) => sum + rows.length, 0)
  const path = Tables.pathOf(file)
  const notes = Tables.notes(file).map((note) => markup` <span class="note">${note}</span>`)
  yield markup`<details id="file-${i + 1}"${count > openRows ? nothing : markup` open`}>
<summary><h3>${path}</h3>${badgesHtml(file)}${notes}</summary>
`.text
  if (count === 0) {
    yield markup`<p class="note">${file.binary ? "Bytes are not shown." : "No lines differ."}</p>\n</details>\n`.text
    return
  }
  yield markup`<table class="diff">
<caption>${path}: ${from} on the left, ${to} on the right</caption>
<colgroup><col class="at"><col><col class="at"><col></colgroup>
<thead><tr>${["Line", from, "Line", to].map(column)}</tr></thead>
`.text
  let left = mostRows
  for (const { rows, title } of hunks) {
    if (left <= 0) break
    yield markup`<tbody>\n<tr class="hunk"><th colspan="4" scope="rowgroup">${title}</th></tr>\n`.text
    const shown = rows.slice(0, left)
    for (let at = 0; at < shown.length; at += rowsAtOnce) {
      yield markup`${shown.slice(at, at + rowsAtOnce).map(rowHtml)}`.text
    }
    left -= shown.length
    yield "</tbody>\n"
  }
  yield "</table>\n"
  if (count > mostRows) yield markup`<p class="note">${Words.count(count - mostRows, "more row")} left out.</p>\n`.text
  yield "</details>\n"
}

const rowHtml = ({ from, kind, to }: Compare.Row): Markup =>
  kind === "same"
    ? markup`<tr class="same">${lineHtml(from, "both")}${lineHtml(to, "both")}</tr>\n`
    : markup`<tr>${lineHtml(from, "old")}${lineHtml(to, "new")}</tr>\n`

const lineHtml = (line: Compare.Line | null, side: "both" | "old" | "new"): Markup => {
  if (line === null) return markup`<td class="at none"></td><td class="none"></td>`
  const segments = line.segments.map(({ isChanged, text }) => {
    if (!isChanged) return markup`${text}`
    return side === "old" ? markup`<del>${text}</del>` : markup`<ins>${text}</ins>`
  })
  const end = line.hasBreak ? nothing : markup`<span class="note"> no line break at the end</span>`
  return markup`<td class="at">${line.number}</td><td class="${side}">${segments}${end}</td>`
}

const css = new Markup(`
:root { color-scheme: light dark; --back: #fff; --text: #1f2328; --faint: #59636e; --edge: #d1d9e0; --head: #f6f8fa;
  --link: #0550ae; --old: #ffebe9; --old-word: #ffc0bb; --new: #dafbe1; --new-word: #9be9a8; --good: #116329;
  --bad: #a40e26; --warn: #7d4e00 }
@media (prefers-color-scheme: dark) { :root { --back: #0d1117; --text: #e6edf3; --faint: #9aa4af; --edge: #3d444d;
  --head: #151b23; --link: #79c0ff; --old: #3a1a1d; --old-word: #7d2a2f; --new: #12311d; --new-word: #1f6a35;
  --good: #7ee2a0; --bad: #ff9a92; --warn: #e3b341 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 110rem; padding: 1rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.4rem; margin: 0 }
h2 { font-size: 1.15rem; margin: 1.5rem 0 .5rem }
p, ul { margin: .5rem 0 }
ul { padding-left: 1.2rem }
a { color: var(--link) }
table { border-collapse: collapse }
.wide { overflow-x: auto }
.wide th, .wide td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0;
  border-bottom: 1px solid var(--edge) }
.wide tbody th { font-weight: 400 }
.wide td { white-space: pre-wrap; min-width: 4rem }
.wide .n { text-align: right; font-variant-numeric: tabular-nums }
.badge { border: 1px solid; border-radius: 1rem; padding: 0 .5rem; font-size: .8rem }
.added, .newly-passing { color: var(--good) }
.removed, .newly-failing { color: var(--bad) }
.modified, .still-failing, .newly-skipped { color: var(--warn) }
.renamed { color: var(--link) }
.note { color: var(--faint); font-size: .85rem; font-style: italic }
details { border: 1px solid var(--edge); border-radius: .4rem; margin: 1rem 0 }
summary { background: var(--head); border-radius: .4rem; padding: .4rem .6rem; cursor: pointer; position: sticky; top: 0 }
summary h3 { display: inline; font: 600 .9rem ui-monospace, monospace }
details > p { padding: 0 .6rem }
.diff { width: 100%; table-layout: fixed; font: .8rem/1.45 ui-monospace, monospace }
.diff caption, .diff thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
.diff col.at { width: 4.2em }
.diff td { vertical-align: top; padding: 0 .5em; white-space: pre-wrap; tab-size: 4 }
.diff .at { color: var(--faint); text-align: right; user-select: none }
.diff .hunk th { text-align: left; font-weight: 400; color: var(--faint); padding: .2em .5em }
.diff .hunk th, .diff .none { background: var(--head) }
.diff .old { background: var(--old) }
.diff .new { background: var(--new) }
.both::before, .old::before, .new::before { content: " "; user-select: none }
.old::before { content: "-" }
.new::before { content: "+" }
ins, del { text-decoration: none; border-radius: .2em }
ins { background: var(--new-word) }
del { background: var(--old-word) }
@media (max-width: 48rem) {
  body { padding: .6rem }
  .diff, .diff tbody { display: block }
  .diff tr { display: grid; grid-template-columns: 3.4em minmax(0, 1fr) }
  .diff .hunk th { grid-column: 1 / -1 }
  .diff .none, .diff .same td:nth-child(-n+2) { display: none }
}
`)
