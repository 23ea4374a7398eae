import { describe, expect, it } from "@effect/vitest"
import * as RegistryConfig from "@heph/implementations/RegistryConfig"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { file, problems, refused, settings } from "./configSupport.ts"

const fromEnvironment = (variables: Record<string, string>) =>
  Result.getOrThrow(RegistryConfig.fromEnvironment(variables))

describe("defaults", () => {
  it("are those of the documentation", () => {
    const { backupFrequency, compression, indexType, retentionPolicy, storagePath, versionStrategy } =
      RegistryConfig.merge([])
    expect(storagePath.value).toBe("./registry")
    expect(versionStrategy.value).toBe("incremental")
    expect(compression.value).toBe(true)
    expect(backupFrequency.value).toMatchObject({ _tag: "Every", text: "daily" })
    expect(retentionPolicy.value).toEqual([{ _tag: "Forever", text: "forever" }])
    expect(indexType.value).toBe("b-tree")
    expect(indexType.source).toEqual({ kind: "default", name: "default" })
    expect(RegistryConfig.isGiven(indexType)).toBe(false)
  })

  it("are listed with the names that an option has in files, variables and flags", () => {
    expect(RegistryConfig.options.map(({ name }) => name)).toEqual([
      "storage_path",
      "version_strategy",
      "compression",
      "backup_frequency",
      "retention_policy",
      "index_type"
    ])
    expect(RegistryConfig.options[4]).toMatchObject({
      key: "retentionPolicy",
      variable: "HEPH_RETENTION_POLICY",
      flag: "--retention-policy",
      default: "forever"
    })
  })
})

describe("files", () => {
  it("set the options of the documented example", () => {
    const found = settings(`
components:
  registry:
    storage_path: "./hephaestus_registry"
    version_strategy: "semantic"
    compression: true
    backup_frequency: "daily"
    retention_policy: "keep-last-10"
    index_type: "b-tree"
`)
    expect(found.storagePath).toEqual({
      value: "./hephaestus_registry",
      text: "./hephaestus_registry",
      source: { kind: "file", name: "heph.yaml:4" }
    })
    expect(found.versionStrategy?.value).toBe("semantic")
    expect(found.compression?.value).toBe(true)
    expect(found.backupFrequency?.value._tag).toBe("Every")
    expect(found.retentionPolicy?.value).toEqual([{ _tag: "Last", text: "keep-last-10", count: 10 }])
    expect(found.indexType?.source.name).toBe("heph.yaml:9")
  })

  it("may hold whatever else they like beside the registry", () => {
    const text = `
other: [1, {a: b}]
components:
  forge: !custom { compression: nonsense }
  registry: { index_type: hash }
`
    expect(settings(text).indexType?.value).toBe("hash")
  })

  it("may say nothing of the registry", () => {
    for (const text of [
      "",
      "# nothing\n",
      "components:\n",
      "components: { registry: }",
      "components: {}",
      "other: 1"
    ]) {
      expect(settings(text), text).toEqual({})
    }
  })

  it("set what an alias stands for, in the line where it is written", () => {
    const text =
      "base: &base\n  index_type: hash\n  retention_policy: [&one forever, *one]\ncomponents: { registry: *base }"
    expect(settings(text).indexType?.source.name).toBe("heph.yaml:2")
    expect(settings(text).retentionPolicy?.text).toBe("forever, forever")
  })

  it("take true, false and levels from 1 to 22 as compression", () => {
    for (const level of [true, false, 1, 22]) {
      expect(settings(file(`compression: ${level}`)).compression?.value).toBe(level)
    }
    for (const wrong of ["0", "23", "1.5", "-1", ".nan"]) expect(refused(file(`compression: ${wrong}`))).toHaveLength(1)
    expect(refused(file(`compression: "true"`))).toEqual([`heph.yaml:3:18: "true" is no compression`])
    // As in YAML 1.2, whatever the file says of its version.
    expect(refused(`%YAML 1.1\n---\n${file("compression: yes")}`)).toEqual([`heph.yaml:5:18: "yes" is no compression`])
  })

  it("take a policy as text and as a list", () => {
    const list = settings(file("retention_policy:", "  - keep-last-5", "  - 30d")).retentionPolicy
    expect(list?.value).toEqual(settings(file("retention_policy: keep-last-5, 30d")).retentionPolicy?.value)
    expect(list?.text).toBe("keep-last-5, 30d")
    expect(list?.source.name).toBe("heph.yaml:3")
  })

  it("are refused with the place of every mistake, from top to bottom", () => {
    const text = file(
      "storage_path: 12",
      "version_strategy: semver",
      "compresion: true",
      `backup_frequency: "0 25 * * *"`,
      "retention_policy: [forever, keep-last-0, keep-last-x]",
      "index_type: [hash]"
    )
    expect(refused(text)).toEqual([
      "heph.yaml:3:19: 12 is no path",
      `heph.yaml:4:23: "semver" is no version strategy`,
      `heph.yaml:5:5: there is no option "compresion"`,
      `heph.yaml:6:23: "0 25 * * *" is no backup frequency: expected a value between 0 and 23 at "25"`,
      `heph.yaml:7:33: "keep-last-0" keeps nothing: the number is a whole one from 1`,
      "heph.yaml:8:17: a list is no index type"
    ])
  })

  it("are refused where a value has another type", () => {
    expect(refused(file("storage_path:"))).toEqual(["heph.yaml:3:18: nothing is no path"])
    expect(refused(file("storage_path: ''"))).toEqual([`heph.yaml:3:19: "" is no path`])
    expect(refused(file("index_type: {}"))).toEqual(["heph.yaml:3:17: a record is no index type"])
    expect(refused(file("backup_frequency: 5"))).toEqual(["heph.yaml:3:23: 5 is no backup frequency"])
    expect(refused(file("retention_policy: 30"))).toEqual(["heph.yaml:3:23: 30 is no retention policy"])
    expect(refused(file("retention_policy: [30d, [30d]]"))).toEqual(["heph.yaml:3:29: a list is no retention policy"])
    expect(refused(file("retention_policy: []"))).toEqual(["heph.yaml:3:23: rule 1 is empty"])
    expect(refused(file("storage_path: !folder a"))).toEqual(["heph.yaml:3:19: Unresolved tag: !folder"])
    expect(refused(file("storage_path: *nowhere"))).toEqual(["heph.yaml:3:19: there is no anchor &nowhere before this"])
    expect(refused(file("retention_policy: [*nowhere]"))).toEqual([
      "heph.yaml:3:24: there is no anchor &nowhere before this"
    ])
    expect(refused(file("? storage_path"))).toEqual(["heph.yaml:3:7: nothing is no path"])
    expect(refused("components: { registry: { storage_path } }")).toEqual(["heph.yaml:1:27: nothing is no path"])
    expect(refused(file("? [storage_path]", ": a"))).toEqual(["heph.yaml:3:7: there is no such option"])
  })

  it("are refused where the registry is no record", () => {
    expect(refused("- 1")).toEqual(["heph.yaml:1:1: the file has to be a record"])
    expect(refused("components: [1]")).toEqual(["heph.yaml:1:13: components has to be a record"])
    expect(refused("components:\n  registry: ./lab")).toEqual(["heph.yaml:2:13: registry has to be a record"])
    expect(refused("components: *none")).toEqual(["heph.yaml:1:13: there is no anchor &none before this"])
  })

  it("are refused with the first place where they are no YAML", () => {
    expect(refused("a: [1,\nb: }\n")).toHaveLength(1)
    expect(refused("\uFEFFa: 1\n\tb: 2")).toEqual(["heph.yaml:2:1: Tabs are not allowed as indentation"])
    expect(refused(file("compression: 1", "compression: 2"))).toEqual(["heph.yaml:4:5: this key is there twice"])
    expect(refused(`${file("compression: 1")}---\na: 1`)).toEqual(["heph.yaml:4:1: a second document begins here"])
    expect(refused(`a: ${"[".repeat(20_000)}`)).toEqual([
      expect.stringMatching(/^heph.yaml:1:\d+: it is nested too deeply to be read$/)
    ])
  })

  it("are told which option may have been meant", () => {
    const meant = (name: string) =>
      /did you mean (\w+)\?/.exec(
        Result.getOrThrow(Result.flip(RegistryConfig.parseFile(file(`${name}: 1`), "heph.yaml"))).message
      )?.[1]
    expect(meant("storagePath")).toBe("storage_path")
    expect(meant("path")).toBe("storage_path")
    expect(meant("retention")).toBe("retention_policy")
    expect(meant("index-type")).toBe("index_type")
    expect(meant("colour")).toBeUndefined()
    expect(meant("x".repeat(1000))).toBeUndefined()
  })

  it("say what is wrong in one line for each problem, with advice", () => {
    const wrong = RegistryConfig.parseFile(file("index_type: list", "foo: 1"), "lab/heph.yaml")
    expect(Result.getOrThrow(Result.flip(wrong)).message).toBe(
      [
        `lab/heph.yaml:3:17: "list" is no index type; write b-tree or hash`,
        `lab/heph.yaml:4:5: there is no option "foo"; the options are storage_path, version_strategy, compression, ` +
          "backup_frequency, retention_policy, index_type"
      ].join("\n")
    )
  })

  it("are read or refused, whatever they hold", () => {
    const line = fc.oneof(
      fc.constantFrom(
        "components:",
        "  registry:",
        "    compression: 1",
        "    - a",
        "  registry: *a",
        "x: &a {}",
        "---"
      ),
      fc.string()
    )
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        const read = RegistryConfig.parseFile(lines.join("\n"), "heph.yaml")
        if (Result.isSuccess(read)) return
        expect(read.failure.problems).not.toHaveLength(0)
        for (const { column, line } of read.failure.problems) {
          expect(line).toBeGreaterThan(0)
          expect(line).toBeLessThanOrEqual(lines.join("\n").split(/\n/).length)
          expect(column).toBeGreaterThan(0)
        }
      })
    )
  })
})

describe("variables", () => {
  it("set every option", () => {
    const found = fromEnvironment({
      HEPH_STORAGE_PATH: "/var/lab",
      HEPH_VERSION_STRATEGY: "content",
      HEPH_COMPRESSION: "9",
      HEPH_BACKUP_FREQUENCY: "0 3 * * mon-fri",
      HEPH_RETENTION_POLICY: "keep-last-5, 30d",
      HEPH_INDEX_TYPE: "hash"
    })
    expect(found.storagePath).toEqual({
      value: "/var/lab",
      text: "/var/lab",
      source: { kind: "environment", name: "HEPH_STORAGE_PATH" }
    })
    expect(found.versionStrategy?.value).toBe("content")
    expect(found.compression?.value).toBe(9)
    expect(found.backupFrequency?.value).toMatchObject({ _tag: "Cron", text: "0 3 * * mon-fri" })
    expect(found.retentionPolicy?.value.map((rule) => rule._tag)).toEqual(["Last", "Age"])
    expect(found.indexType?.value).toBe("hash")
  })

  it("have true and false as compression", () => {
    expect(fromEnvironment({ HEPH_COMPRESSION: "true" }).compression?.value).toBe(true)
    expect(fromEnvironment({ HEPH_COMPRESSION: "false" }).compression?.value).toBe(false)
  })

  it("that are empty or of other names set nothing", () => {
    expect(fromEnvironment({ HEPH_INDEX_TYPE: "", HEPH_STORE: "x", INDEX_TYPE: "hash" })).toEqual({})
  })

  it("are refused by name, all of them", () => {
    expect(
      problems(RegistryConfig.fromEnvironment({ HEPH_COMPRESSION: "fast", HEPH_RETENTION_POLICY: "forever,,30d" }))
    ).toEqual([`HEPH_COMPRESSION: "fast" is no compression`, "HEPH_RETENTION_POLICY: rule 2 is empty"])
  })
})

describe("flags", () => {
  it("set options and are refused by name", () => {
    const found = Result.getOrThrow(RegistryConfig.fromFlags({ compression: "22", indexType: undefined }))
    expect(found).toEqual({
      compression: { value: 22, text: "22", source: { kind: "flag", name: "--compression" } }
    })
    expect(problems(RegistryConfig.fromFlags({ storagePath: "", indexType: "tree" }))).toEqual([
      `--storage-path: "" is no path`,
      `--index-type: "tree" is no index type`
    ])
  })
})

describe("merge", () => {
  const sources = {
    default: RegistryConfig.defaults,
    file: settings(file("version_strategy: semantic")),
    environment: fromEnvironment({ HEPH_VERSION_STRATEGY: "content" }),
    flag: Result.getOrThrow(RegistryConfig.fromFlags({ versionStrategy: "incremental" }))
  }
  const order = ["default", "file", "environment", "flag"] as const

  it("has the flag win over the variable, the variable over the file, the file over the default", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...order]), (kinds) => {
        const config = RegistryConfig.merge(kinds.map((kind) => sources[kind]))
        const winner = order.findLast((kind) => kinds.includes(kind)) ?? "default"
        expect(config.versionStrategy).toEqual(sources[winner].versionStrategy)
        expect(RegistryConfig.isGiven(config.versionStrategy)).toBe(winner !== "default")
        expect(config.storagePath).toEqual(RegistryConfig.defaults.storagePath)
      })
    )
  })

  it("has the later of two files win", () => {
    const later = settings(file("version_strategy: content"))
    expect(RegistryConfig.merge([sources.file, later]).versionStrategy.value).toBe("content")
  })

  it("leaves the defaults as they are", () => {
    const before = RegistryConfig.toJson(RegistryConfig.defaults)
    RegistryConfig.merge([sources.flag, sources.file])
    expect(RegistryConfig.toJson(RegistryConfig.defaults)).toEqual(before)
  })
})

describe("toJson", () => {
  it("has every option with its value and where it comes from", () => {
    const config = RegistryConfig.merge([
      settings(file("compression: 9", "retention_policy: [keep-last-5, 'keep-best-2:a,b']")),
      fromEnvironment({ HEPH_BACKUP_FREQUENCY: "0 3 * * *" })
    ])
    const defaults = { kind: "default", name: "default" }
    expect(JSON.parse(JSON.stringify(RegistryConfig.toJson(config)))).toEqual([
      { option: "storage_path", value: "./registry", source: defaults },
      { option: "version_strategy", value: "incremental", source: defaults },
      { option: "compression", value: 9, source: { kind: "file", name: "heph.yaml:3" } },
      {
        option: "backup_frequency",
        value: "0 3 * * *",
        source: { kind: "environment", name: "HEPH_BACKUP_FREQUENCY" }
      },
      {
        option: "retention_policy",
        value: ["keep-last-5", "keep-best-2:a,b"],
        source: { kind: "file", name: "heph.yaml:4" }
      },
      { option: "index_type", value: "b-tree", source: defaults }
    ])
  })

  it("gives values that a file takes again", () => {
    const config = RegistryConfig.merge([
      fromEnvironment({ HEPH_RETENTION_POLICY: "12h,keep-best-3:loss:min", HEPH_COMPRESSION: "false" })
    ])
    const written = Object.fromEntries(RegistryConfig.toJson(config).map(({ option, value }) => [option, value]))
    const again = RegistryConfig.merge([settings(JSON.stringify({ components: { registry: written } }))])
    expect(again.retentionPolicy.value).toEqual(config.retentionPolicy.value)
    expect(again.compression.value).toBe(false)
    expect(RegistryConfig.toJson(again).map(({ value }) => value)).toEqual(
      RegistryConfig.toJson(config).map(({ value }) => value)
    )
  })
})
